// TensorBoard event files. The input is the whole file, and the data of a record whose checksums hold: a mutation cannot make those.
#include <cmath>

#include "hellora/io/crc32c.h"
#include "hellora/io/tensorboard_reader.h"
#include "tests/fuzz/fuzz.h"

namespace {

using hellora::fuzz::require;

void read(const std::string& bytes) {
  const hellora::fuzz::MemoryFile memory(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  const hellora::EventFile file = hellora::read_event_file(memory.path());
  int64_t records = 0;
  for (const hellora::EventTag& tag : file.tags) {
    require(tag.records > 0 && tag.first_step >= 0 && tag.last_step >= 0 && std::isfinite(tag.last) && tag.name.size() <= 1000);
    records += tag.records;
  }
  require(file.records > 0 && (records == 0 || !file.tags.empty()));
}

template <class Unsigned>
void put(std::string& out, Unsigned value) {
  for (size_t i = 0; i < sizeof(value); ++i) out += static_cast<char>(value >> (8 * i));
}

std::string record(const std::string& data) {
  std::string out;
  put(out, static_cast<uint64_t>(data.size()));
  put(out, hellora::masked_crc32c(out));
  out += data;
  put(out, hellora::masked_crc32c(data));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  hellora::fuzz::only_user_errors([&] { read(input); });
  return hellora::fuzz::only_user_errors([&] {
    read(record("\x1A\x0D"
                "brain.Event:2") +
         record(input));
  });
}
