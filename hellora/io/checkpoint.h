// A Hugging Face model directory: config.json and one or several safetensors files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/io/safetensors.h"

namespace hellora {

/// All tensors of a checkpoint directory, wherever they lie. Reads `model.safetensors`, or the shards named by
/// `model.safetensors.index.json` (every listed tensor must be in its shard; a missing shard is named).
/// DataError without the folder or its config.json, FormatError for everything else.
class Checkpoint {
 public:
  explicit Checkpoint(const Path& folder);
  const Path& folder() const { return folder_; }
  const Json& config() const { return config_; }  // the parsed config.json
  std::vector<std::string> names() const;         // sorted
  bool contains(const std::string& name) const;
  const TensorInfo& info(const std::string& name) const;  // FormatError when absent
  std::span<const std::byte> bytes(const std::string& name) const;
  void drop(const std::string& name) const;
  const std::vector<std::unique_ptr<SafetensorsFile>>& files() const { return files_; }

 private:
  struct Place {
    const SafetensorsFile* file;
    const TensorInfo* info;
  };
  void open_shards();
  const Place& place(const std::string& name) const;
  Path folder_;
  Json config_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Place> places_;
};

}  // namespace hellora
