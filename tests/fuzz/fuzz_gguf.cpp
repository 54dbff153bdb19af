// GGUF: whatever is accepted has readable bytes of every tensor inside the file, values of every key, and, where it has a tokenizer,
// one that loads or is refused. An input is tried as the file, and behind a header that claims one key and one tensor.
#include "hellora/io/gguf.h"

#include "hellora/core/json_text.h"
#include "hellora/io/gguf_blocks.h"
#include "hellora/text/gguf_tokenizer.h"
#include "hellora/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace hellora;

void read_tensors(const GgufFile& file, size_t size) {
  uint64_t total = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    fuzz::require(file.find(tensor.name) == &tensor && tensor.begin <= tensor.end && tensor.end <= size);
    total += tensor.end - tensor.begin;
    std::vector<float> values(static_cast<size_t>(tensor.count()));
    dequantise(tensor.type, file.bytes(tensor, 0, tensor.count()), values);
  }
  fuzz::require(total <= size);  // none overlaps another
}

/// Every way of asking for a value: one of them fits, the others refuse.
void read_values(GgufMetadata& values) {
  for (const std::string& key : values.unread()) {
    fuzz::only_user_errors([&] { values.integer(key, INT64_MIN, INT64_MAX); });
    fuzz::only_user_errors([&] { values.number(key, -1e30, 1e30); });
    fuzz::only_user_errors([&] { values.flag_or(key, false); });
    fuzz::only_user_errors([&] { values.text(key); });
    fuzz::only_user_errors([&] { values.texts(key); });
    fuzz::only_user_errors([&] { values.integers(key); });
    fuzz::only_user_errors([&] { values.numbers(key); });
  }
  fuzz::require(values.unread().empty());
}

void check(const std::string& bytes) {
  const fuzz::MemoryFile memory(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  fuzz::only_user_errors([&] {
    GgufFile file(memory.path());
    read_tensors(file, bytes.size());
    fuzz::only_user_errors([&] {
      const std::string json = dump_json(read_gguf_tokenizer(file.metadata()).tokenizer);
      const fuzz::MemoryFile made(reinterpret_cast<const uint8_t*>(json.data()), json.size());
      Tokenizer::load(made.path()).encode("a b ab", true);
    });
    read_values(file.metadata());
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  check(input);
  check(std::string("GGUF\3\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 24) + input);
  return 0;
}
