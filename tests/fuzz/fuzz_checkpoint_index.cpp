// model.safetensors.index.json beside one real shard, s.safetensors with the tensors a and b.
#include <unistd.h>

#include <array>

#include "hellora/io/checkpoint.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace hellora;

/// A model folder whose index is a link to be set for each input; removed when the process ends.
class Model {
 public:
  Model() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hellora-fuzz-XXXXXX").string();
    fuzz::require(::mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    write_text_atomic(folder_ / "config.json", "{}");
    constexpr std::array<uint8_t, 2> kData = {1, 2};
    const auto bytes = std::as_bytes(std::span(kData));
    write_safetensors(
        folder_ / "s.safetensors",
        {{.name = "a", .dtype = Dtype::u8, .shape = {2}, .bytes = bytes}, {.name = "b", .dtype = Dtype::u8, .shape = {2}, .bytes = bytes}},
        {});
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  const Path& folder() const { return folder_; }
  void set_index(const Path& target) const {
    const Path link = folder_ / "model.safetensors.index.json";
    std::filesystem::remove(link);
    std::filesystem::create_symlink(target, link);
  }

 private:
  Path folder_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Model model;
  const fuzz::MemoryFile memory(data, size);
  model.set_index(memory.path());
  return fuzz::only_user_errors([&] {
    const Checkpoint checkpoint(model.folder());
    fuzz::require(!checkpoint.names().empty());
    for (const std::string& name : checkpoint.names()) fuzz::require(checkpoint.bytes(name).size() == 2 && (name == "a" || name == "b"));
  });
}
