// JSON Lines and arrays: line numbers rise, and what was read can be printed and read again. Every record goes through detection,
// conversation, template and tokenizer, as it is and without each of its parts: it becomes rows that decode to their text, or an error.
#include <iterator>

#include "hellora/data/row.h"
#include "hellora/io/records.h"
#include "hellora/text/byte_level.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace hellora;

constexpr int kDamages = 24;  // of a record: more would leave time for few records
constexpr std::string_view kEnd = "<|endoftext|>";

/// A byte is a token, but for some words.
Tokenizer make_tokenizer() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[byte_characters()[static_cast<size_t>(byte)]] = byte;
  vocab["us"] = 256;
  vocab["Ã©"] = 257;
  const Json end = {{"id", 258}, {"content", kEnd}, {"special", true}};
  const std::string text = Json{
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"u s", "Ã ©"}}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"added_tokens",
       Json::array({end})}}.dump();
  const fuzz::MemoryFile file(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return Tokenizer::load(file.path());
}

void convert(const Json& record) {
  static const Tokenizer tokenizer = make_tokenizer();
  static const ChatTemplate chat = ChatTemplate::from_text(
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ m.tool_calls or '' }}\n{% endfor %}{{ '<assistant>' if add_generation_prompt "
      "}}",
      "chat", {});
  static const DataConfig config;
  RowMaker maker(config, tokenizer, &chat);
  maker.begin_file(record, "fuzz");
  const bool text = maker.format()->shape == RecordShape::text, ids = maker.format()->shape == RecordShape::ids;
  for (const TokenRow& row : maker.rows(record, "fuzz")) {
    fuzz::require(row.ids.size() == row.labels.size());
    for (size_t i = 0; i < row.ids.size(); ++i)
      fuzz::require(row.labels[i] == kIgnore || (ids ? row.labels[i] >= 0 : row.labels[i] == row.ids[i]));
    if (!ids) fuzz::require(tokenizer.decode(row.ids) == row.text + std::string(text ? kEnd : ""));
  }
}

/// Every part of `at` in turn is another value and then gone; checks that are missing show sooner than by chance.
void damage(const Json& record, Json& at, int& left) {
  for (size_t i = 0; at.is_structured() && i < at.size() && left-- > 0; ++i) {
    const Json whole = at;
    const auto part = std::next(at.begin(), static_cast<std::ptrdiff_t>(i));
    *part = 5;
    fuzz::only_user_errors([&] { convert(record); });
    at.erase(part);
    fuzz::only_user_errors([&] { convert(record); });
    at = whole;
    damage(record, *std::next(at.begin(), static_cast<std::ptrdiff_t>(i)), left);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile memory(data, size);
  return fuzz::only_user_errors([&] {
    int64_t last = 0;
    for_each_record(memory.path(), [&](int64_t number, const Json& value) {
      fuzz::require(number >= last);
      last = number;
      fuzz::require(parse_json(value.dump(), "again").dump() == value.dump());
      fuzz::only_user_errors([&] { convert(value); });
      Json damaged = value;
      int left = kDamages;
      damage(damaged, damaged, left);
    });
  });
}
