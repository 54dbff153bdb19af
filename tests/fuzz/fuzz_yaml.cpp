// YAML configuration: keys are unique and every entry has a line inside the file.
#include <algorithm>
#include <set>

#include "hellora/io/yaml.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hellora;
  const fuzz::MemoryFile memory(data, size);
  return fuzz::only_user_errors([&] {
    const auto lines = std::count_if(data, data + size, [](uint8_t byte) { return byte == '\n' || byte == '\r'; }) + 1;
    std::set<std::string> keys;
    for (const YamlEntry& entry : read_yaml(memory.path())) {
      fuzz::require(keys.insert(entry.key).second);
      fuzz::require(entry.is_list || entry.values.size() == 1);
      fuzz::require(entry.line >= 1 && entry.line <= lines);
    }
  });
}
