// tokenizer.json, and a text after the first NUL byte: whatever loads encodes any text, twice the same, and its tokens decode to whole
// characters in a stream as at once. A tokenizer that loses nothing gives every text back.
#include "hellora/text/tokenizer.h"

#include "hellora/core/json.h"
#include "hellora/core/utf8.h"
#include "hellora/text/byte_level.h"
#include "tests/fuzz/fuzz.h"

namespace {

using hellora::Tokenizer;
using Ids = std::vector<int64_t>;

void check_stream(const Tokenizer& tokenizer, const Ids& ids) {
  hellora::StreamDecoder stream(tokenizer);
  std::string text;
  const auto add = [&](const std::string& part) {
    hellora::fuzz::require(hellora::is_utf8(part));
    text += part;
  };
  for (const int64_t id : ids) add(stream.push(id));
  add(stream.finish());
  hellora::fuzz::require(text == tokenizer.decode(ids));
}

/// Byte-level, with a few merges, as small as it can be written: no token for anything but bytes is needed.
const Tokenizer& lossless() {
  static const Tokenizer tokenizer = [] {
    std::string vocab, comma;
    int id = 0;
    const auto add = [&](const std::string& token) {
      vocab += comma + hellora::Json(token).dump() + ":" + std::to_string(id++);
      comma = ",";
    };
    for (const std::string& character : hellora::byte_characters()) add(character);
    for (const char* token : {"th", "the", "\u0120the", "\u00C3\u00A9", "\u0120\u0120", "12"}) add(token);
    const std::string json =
        R"({"added_tokens":[{"id":262,"content":"<s>","special":true}],"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},)"
        R"("decoder":{"type":"ByteLevel"},"model":{"vocab":{)" +
        vocab + R"(},"merges":["t h","th e","\u0120 the","\u00C3 \u00A9","\u0120 \u0120","1 2"]}})";
    const hellora::fuzz::MemoryFile file(reinterpret_cast<const uint8_t*>(json.data()), json.size());
    return Tokenizer::load(file.path());
  }();
  return tokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hellora;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view json = input.substr(0, input.find('\0'));
  const std::string text = replace_broken_utf8(json.size() < size ? input.substr(json.size() + 1) : input);
  fuzz::require(lossless().decode(lossless().encode(text)) == text);
  check_stream(lossless(), Ids(data, data + size));
  const fuzz::MemoryFile memory(data, json.size());
  return fuzz::only_user_errors([&] {
    const Tokenizer tokenizer = Tokenizer::load(memory.path());
    const Ids ids = tokenizer.encode(text, true);
    fuzz::require(tokenizer.encode(text, true) == ids);
    check_stream(tokenizer, ids);
    for (const int64_t id : ids) fuzz::require(id >= 0);
  });
}
