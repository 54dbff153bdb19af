// Safetensors: whatever is accepted must have readable bytes of the declared size that fill the data part exactly.
// An input is tried twice: as the file, and as one byte (size of the data part modulo 16) and the header's text.
#include "hellora/io/safetensors.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace hellora;

void check_tensors(const SafetensorsFile& file, size_t size) {
  uint64_t total = 0;
  unsigned sum = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    const auto bytes = file.bytes(tensor);
    fuzz::require(bytes.size() == static_cast<size_t>(tensor.count()) * dtype_size(tensor.dtype));
    fuzz::require(file.find(tensor.name) == &tensor);
    for (const std::byte byte : bytes) sum += static_cast<unsigned>(byte);
    total += bytes.size();
  }
  fuzz::require(sum <= total * 255 && total <= size);
}

bool accepted(const std::string& text) {
  const fuzz::MemoryFile memory(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  bool done = false;
  fuzz::only_user_errors([&] {
    const SafetensorsFile file(memory.path());
    check_tensors(file, text.size());
    done = true;
  });
  return done;
}

/// The tensors fill an accepted file: one byte fewer or more must be refused.
void check(const std::string& text) {
  if (!accepted(text)) return;
  fuzz::require(!accepted(text.substr(0, text.size() - 1)));
  fuzz::require(!accepted(text + "x"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check(text);
  if (text.empty()) return 0;
  std::string framed;
  for (size_t i = 0; i < 8; ++i) framed += static_cast<char>((size - 1) >> (8 * i));
  check(framed + text.substr(1) + std::string(data[0] % 16, 'd'));
  return 0;
}
