#include "hellora/text/gguf_pre.h"

#include <array>
#include <vector>

#include "hellora/core/error.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kLines = "[\r\n]";
// DeepSeek's own list of letters, as its tokenizer.json has it.
constexpr const char* kLetters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ)"
    R"(Ὗ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ)"
    R"(𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr const char* kMarks = R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)";
constexpr const char* kEndSpace = R"(\s+$)";
constexpr const char* kIdeographs = R"([一-龥ࠀ-一가-퟿]+)";

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json split_at(const char* pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

Json sequence(std::vector<Json> stages) { return {{"type", "Sequence"}, {"pretokenizers", std::move(stages)}}; }
Json digits() { return {{"type", "Digits"}, {"individual_digits", true}}; }

Json gpt2() { return byte_level(true); }
Json gpt2_digits() { return sequence({digits(), byte_level(true)}); }
Json qwen2() { return sequence({split_at(kQwen2), byte_level(false)}); }
Json llama3() { return sequence({split_at(kLlama3), byte_level(false)}); }
Json deepseek_llm() {
  return sequence(
      {split_at(kLines), split_at(kLetters), split_at(kMarks), split_at(kEndSpace), split_at(kIdeographs), digits(), byte_level(false)});
}

struct Row {
  std::string_view name;
  Json (*stages)();
  bool nfc = false, ignore_merges = false, begins = false;
};

constexpr auto kRows = std::to_array<Row>({
    {"gpt-2", gpt2},
    {"olmo", gpt2, true},
    {"smollm", gpt2_digits},
    {"starcoder", gpt2_digits},
    {"qwen2", qwen2, true},
    {"deepseek-r1-qwen", qwen2, true},
    {"llama-bpe", llama3, false, true, true},
    {"llama3", llama3, false, true, true},
    {"llama-v3", llama3, false, true, true},
    {"dbrx", llama3},
    {"smaug-bpe", llama3},
    {"deepseek-llm", deepseek_llm},
});

}  // namespace

GgufPre find_gguf_pre(std::string_view name, const std::string& where) {
  std::vector<std::string> names;
  for (const Row& row : kRows) {
    if (row.name == name) {
      return {row.nfc ? Json{{"type", "NFC"}} : Json(), row.stages(), row.ignore_merges, row.begins};
    }
    names.emplace_back(row.name);
  }
  throw FormatError(std::string(where).append(": pre-tokenizer \"").append(name) + "\" is not known; expected one of " + join(names, ", "));
}

}  // namespace hellora
