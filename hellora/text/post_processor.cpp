#include "hellora/text/post_processor.h"

#include "hellora/core/error.h"

namespace hellora {
namespace {

constexpr int kMaxDepth = 8;

PostProcessor parse_template(const Json& json, const std::string& where) {
  PostProcessor out;
  int texts = 0;
  const Json& single = member(json, "single", where);
  if (!single.is_array()) throw FormatError(where + ".single must be a list of parts");
  for (const Json& item : single) {
    if (has(item, "Sequence")) {
      if (string_or(item["Sequence"], "id", "A", where + ".single") != "A")
        throw FormatError(where + ".single: only the sequence A stands in it");
      ++texts;
      continue;
    }
    const std::string name = string_member(member(item, "SpecialToken", where + ".single"), "id", where + ".single");
    const Json& special = member(member(json, "special_tokens", where), name, where + ".special_tokens");
    for (const int64_t id : ints_member(special, "ids", where + ".special_tokens")) (texts > 0 ? out.after : out.before).push_back(id);
  }
  if (texts != 1)
    throw FormatError(where + ".single: must hold the text's Sequence exactly once, found it " + std::to_string(texts) + " times");
  return out;
}

void add(const Json& json, const std::string& where, int depth, PostProcessor& out) {
  if (depth > kMaxDepth) throw FormatError(where + ": post-processors nest too deeply");
  const std::string type = string_member(json, "type", where);
  if (type == "Sequence") {
    const Json& inner = member(json, "processors", where);
    if (!inner.is_array()) throw FormatError(where + ": processors must be an array");
    for (size_t i = 0; i < inner.size(); ++i) add(inner[i], where + ".processors[" + std::to_string(i) + "]", depth + 1, out);
  } else if (type == "TemplateProcessing") {
    // The reference ignores what a second one adds.
    if (out.before.size() + out.after.size() > 0) throw FormatError(where + ": a second TemplateProcessing is not supported");
    out = parse_template(json, where);
  } else if (type != "ByteLevel") {
    throw FormatError(where + ": post_processor \"" + type + "\" is not supported; TemplateProcessing, ByteLevel and Sequence are");
  }
}

}  // namespace

PostProcessor parse_post_processor(const Json& json, const std::string& where) {
  PostProcessor out;
  if (!json.is_null()) add(json, where, 0, out);
  return out;
}

}  // namespace hellora
