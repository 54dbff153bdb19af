#include "hellora/text/pre_tokenizer.h"

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"
#include "hellora/text/byte_level.h"
#include "hellora/text/pattern.h"
#include "hellora/text/unicode_newer.h"

namespace hellora {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxStages = 32;  // stages nest when they run

SplitStage isolating(const std::string& pattern, const std::string& where, Scanner scan = nullptr) {
  return {Regex(pattern, where), SplitBehavior::isolated, false, scan};
}

/// What has a numeric value: ½, ² and Ⅷ as well as digits. Its tables are newer than those of the patterns.
std::string numeric() {
  std::string out = "[\\p{N}";
  for (const auto& [first, last] : newer_characters("Numeric")) {
    for (uint32_t code = first; code <= last; ++code) out += encode_utf8(code);
  }
  return out + "]";
}

void add_byte_level(const Json& json, const std::string& where, PreTokenizer& out) {
  out.byte_level = true;
  if (bool_or(json, "add_prefix_space", true, where)) out.stages.emplace_back(PrefixSpace{});
  if (bool_or(json, "use_regex", true, where))
    out.stages.emplace_back(isolating(to_pcre2(kGpt2Pattern, where), where, find_scanner(kGpt2Pattern)));
}

void add_stage(const Json& json, const std::string& where, int depth, PreTokenizer& out) {
  if (depth > kMaxDepth) throw FormatError(where + ": pre-tokenizers nest too deeply");
  if (out.stages.size() > kMaxStages) throw FormatError(where + ": more than " + std::to_string(kMaxStages) + " pre-tokenizers");
  const std::string type = string_member(json, "type", where);
  if (out.byte_level) throw FormatError(where + ": " + type + " after ByteLevel is not supported");
  if (type == "Sequence") {
    const Json& inner = member(json, "pretokenizers", where);
    if (!inner.is_array()) throw FormatError(where + ": pretokenizers must be an array");
    for (size_t i = 0; i < inner.size(); ++i) add_stage(inner[i], where + ".pretokenizers[" + std::to_string(i) + "]", depth + 1, out);
  } else if (type == "ByteLevel") {
    add_byte_level(json, where, out);
  } else if (type == "Split") {
    out.stages.emplace_back(parse_split(json, where));
  } else if (type == "Digits") {
    const bool single = bool_or(json, "individual_digits", false, where);
    out.stages.emplace_back(isolating(numeric() + (single ? "" : "+"), where));
  } else if (type == "Metaspace") {
    out.stages.emplace_back(parse_metaspace(json, where));
    out.by_position = out.by_position || std::get<Metaspace>(out.stages.back()).prepend == PrependScheme::first;
  } else {
    throw FormatError(where + ": pre-tokenizer \"" + type + "\" is not supported; ByteLevel, Digits, Metaspace, Split and Sequence are");
  }
}

void run(const SplitStage& stage, std::string_view piece, bool at_start, const PieceVisitor& visit) {
  split(stage, piece, [&](size_t begin, size_t end) { visit(piece.substr(begin, end - begin), at_start && begin == 0); });
}

void run(const Metaspace& stage, std::string_view piece, bool at_start, const PieceVisitor& visit) {
  bool first = at_start;
  metaspace_pieces(stage, piece, at_start, [&](std::string_view part) {
    visit(part, first);
    first = false;
  });
}

/// As the reference does: every piece that reaches the byte-level stage gets its space, not only the first of the text.
void run(const PrefixSpace&, std::string_view piece, bool at_start, const PieceVisitor& visit) {
  if (piece.front() == ' ') return visit(piece, at_start);
  std::string spaced(1, ' ');
  visit(spaced.append(piece), at_start);
}

void collect(const PreTokenizer& pre, size_t stage, std::string_view piece, bool at_start, std::vector<std::string>& out) {
  if (stage == pre.stages.size()) {
    out.push_back(pre.byte_level ? to_byte_alphabet(piece) : std::string(piece));
    return;
  }
  apply_stage(pre.stages[stage], piece, at_start, [&](std::string_view part, bool starts) { collect(pre, stage + 1, part, starts, out); });
}

}  // namespace

PreTokenizer parse_pre_tokenizer(const Json& json, const std::string& where) {
  PreTokenizer out;
  if (!json.is_null()) add_stage(json, where, 0, out);
  return out;
}

void apply_stage(const PreStage& stage, std::string_view piece, bool at_start, const PieceVisitor& visit) {
  std::visit([&](const auto& one) { run(one, piece, at_start, visit); }, stage);
}

std::vector<std::string> pre_tokenize(const PreTokenizer& pre_tokenizer, std::string_view text) {
  std::vector<std::string> pieces;
  if (!text.empty()) collect(pre_tokenizer, 0, text, true, pieces);
  return pieces;
}

}  // namespace hellora
