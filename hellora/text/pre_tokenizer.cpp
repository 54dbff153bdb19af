#include "hellora/text/pre_tokenizer.h"

#include "hellora/core/error.h"
#include "hellora/text/byte_level.h"

namespace hellora {
namespace {

// The split of GPT-2 (Radford et al. 2019), which ByteLevel uses when use_regex is true.
constexpr const char* kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

SplitBehavior parse_behavior(const std::string& name, const std::string& where) {
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  throw FormatError(where + ": Split behavior \"" + name + "\" is not supported");
}

std::string pattern_of(const Json& pattern, const std::string& where) {
  if (has(pattern, "Regex")) return string_member(pattern, "Regex", where);
  if (has(pattern, "String")) return escape_regex(string_member(pattern, "String", where));
  throw FormatError(where + ": Split pattern must be {\"Regex\": …} or {\"String\": …}");
}

void add_stage(const Json& json, const std::string& where, int depth, PreTokenizer& out) {
  if (depth > 8) throw FormatError(where + ": pre-tokenizers nest too deeply");
  const std::string type = string_member(json, "type", where);
  if (out.byte_level) throw FormatError(where + ": " + type + " after ByteLevel is not supported");
  if (type == "Sequence") {
    for (const Json& inner : member(json, "pretokenizers", where)) add_stage(inner, where, depth + 1, out);
  } else if (type == "ByteLevel") {
    out.byte_level = true;
    out.add_prefix_space = bool_or(json, "add_prefix_space", true, where);
    out.byte_level_from = out.splits.size();
    if (bool_or(json, "use_regex", true, where)) out.splits.push_back({Regex(kGpt2Pattern, where), SplitBehavior::isolated, false});
  } else if (type == "Split") {
    out.splits.push_back({Regex(pattern_of(member(json, "pattern", where), where), where),
                          parse_behavior(string_member(json, "behavior", where), where), bool_or(json, "invert", false, where)});
  } else if (type == "Digits") {
    const bool single = bool_or(json, "individual_digits", false, where);
    out.splits.push_back({Regex(single ? "\\p{N}" : "\\p{N}+", where), SplitBehavior::isolated, false});
  } else {
    throw FormatError(where + ": pre-tokenizer \"" + type + "\" is not supported");
  }
}

struct Span {
  size_t begin, end;
  bool matched;
};

/// Matches and the gaps between them, covering the text.
std::vector<Span> spans_of(const SplitStage& stage, std::string_view text) {
  std::vector<Span> spans;
  size_t at = 0;
  stage.pattern.for_each_match(text, [&](size_t begin, size_t end) {
    if (begin > at) spans.push_back({at, begin, stage.invert});
    spans.push_back({begin, end, !stage.invert});
    at = end;
  });
  if (at < text.size()) spans.push_back({at, text.size(), stage.invert});
  return spans;
}

void apply_stage(const SplitStage& stage, const std::string& piece, std::vector<std::string>& out) {
  std::vector<Span> merged;
  bool join_next = false;
  for (const Span& span : spans_of(stage, piece)) {
    const bool same = !merged.empty() && stage.behavior == SplitBehavior::contiguous && merged.back().matched == span.matched;
    const bool onto_previous =
        !merged.empty() && span.matched && stage.behavior == SplitBehavior::merged_with_previous && !merged.back().matched;
    if (span.matched && stage.behavior == SplitBehavior::removed) continue;
    if (same || onto_previous || (join_next && !span.matched)) {
      merged.back().end = span.end;
      merged.back().matched = span.matched;
    } else {
      merged.push_back(span);
    }
    join_next = span.matched && stage.behavior == SplitBehavior::merged_with_next;
  }
  for (const Span& span : merged) out.push_back(piece.substr(span.begin, span.end - span.begin));
}

/// As the reference does: every piece that reaches the byte-level stage gets its space, not only the first of the text.
void add_spaces(std::vector<std::string>& pieces) {
  for (std::string& piece : pieces) {
    if (!piece.empty() && piece.front() != ' ') piece.insert(0, 1, ' ');
  }
}

}  // namespace

PreTokenizer parse_pre_tokenizer(const Json& json, const std::string& where) {
  PreTokenizer out;
  if (!json.is_null()) add_stage(json, where + ": pre_tokenizer", 0, out);
  return out;
}

std::vector<std::string> pre_tokenize(const PreTokenizer& pre_tokenizer, const std::string& text) {
  std::vector<std::string> pieces = {text};
  for (size_t s = 0; s <= pre_tokenizer.splits.size(); ++s) {
    if (pre_tokenizer.byte_level && s == pre_tokenizer.byte_level_from && pre_tokenizer.add_prefix_space) add_spaces(pieces);
    if (s == pre_tokenizer.splits.size()) break;
    std::vector<std::string> next;
    for (const std::string& piece : pieces) apply_stage(pre_tokenizer.splits[s], piece, next);
    pieces = std::move(next);
  }
  if (pre_tokenizer.byte_level) {
    for (std::string& piece : pieces) piece = to_byte_alphabet(piece);
  }
  return pieces;
}

}  // namespace hellora
