// JSON Lines: line numbers rise, and what was read can be printed and read again.
#include "hellora/io/jsonl.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hellora;
  const fuzz::MemoryFile memory(data, size);
  return fuzz::only_user_errors([&] {
    int64_t last = 0;
    for_each_json_line(memory.path(), [&](int64_t number, const Json& value) {
      fuzz::require(number > last);
      last = number;
      fuzz::require(parse_json(value.dump(), "again").dump() == value.dump());
    });
  });
}
