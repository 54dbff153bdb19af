#include "hellora/text/split.h"

#include <vector>

#include "hellora/core/error.h"
#include "hellora/text/pattern.h"

namespace hellora {
namespace {

SplitBehavior parse_behavior(const std::string& name, const std::string& where) {
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  throw FormatError(where + ": Split behavior \"" + name + "\" is not supported");
}

struct Span {
  size_t begin, end;
  bool matched;
};

/// Matches and the gaps between them, covering the text.
std::vector<Span> spans_of(const SplitStage& stage, std::string_view text) {
  std::vector<Span> spans;
  size_t at = 0;
  for_each_match(stage, text, [&](size_t begin, size_t end) {
    if (begin > at) spans.push_back({at, begin, stage.invert});
    spans.push_back({begin, end, !stage.invert});
    at = end;
  });
  if (at < text.size()) spans.push_back({at, text.size(), stage.invert});
  return spans;
}

std::vector<Span> merged(const SplitStage& stage, const std::vector<Span>& spans) {
  std::vector<Span> out;
  bool join_next = false;
  for (const Span& span : spans) {
    const bool same = !out.empty() && stage.behavior == SplitBehavior::contiguous && out.back().matched == span.matched;
    const bool onto_previous = !out.empty() && span.matched && stage.behavior == SplitBehavior::merged_with_previous && !out.back().matched;
    if (span.matched && stage.behavior == SplitBehavior::removed) continue;
    if (same || onto_previous || (join_next && !span.matched)) {
      out.back().end = span.end;
      out.back().matched = span.matched;
    } else {
      out.push_back(span);
    }
    join_next = span.matched && stage.behavior == SplitBehavior::merged_with_next;
  }
  return out;
}

}  // namespace

SplitStage parse_split(const Json& json, const std::string& where) {
  const Json& pattern = member(json, "pattern", where);
  return {Regex(parse_pattern(pattern, where + ".pattern"), where + ".pattern"),
          parse_behavior(string_member(json, "behavior", where), where), bool_or(json, "invert", false, where),
          has(pattern, "Regex") ? find_scanner(string_member(pattern, "Regex", where)) : nullptr};
}

void split(const SplitStage& stage, std::string_view text, const std::function<void(size_t, size_t)>& visit) {
  const auto visit_text = [&](size_t begin, size_t end) {
    if (begin < end) visit(begin, end);
  };
  if (stage.behavior != SplitBehavior::isolated) {
    for (const Span& span : merged(stage, spans_of(stage, text))) visit_text(span.begin, span.end);
    return;
  }
  size_t at = 0;  // the common case without a list
  for_each_match(stage, text, [&](size_t begin, size_t end) {
    visit_text(at, begin);
    visit_text(begin, end);
    at = end;
  });
  visit_text(at, text.size());
}

}  // namespace hellora
