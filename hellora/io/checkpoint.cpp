#include "hellora/io/checkpoint.h"

#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"

namespace hellora {
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

Json read_object(const Path& path) {
  Json value = parse_json(read_text(path), path.string());
  if (!value.is_object()) throw FormatError(path.string() + ": expected a JSON object, found " + value.type_name());
  return value;
}

void check_folder(const Path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    throw DataError(folder.string() + ": not a directory; expected a model directory with config.json and " + kSingle);
  }
}

[[noreturn]] void no_weights(const Path& folder) {
  std::error_code error;
  const bool pickle = std::filesystem::exists(folder / "pytorch_model.bin", error) ||
                      std::filesystem::exists(folder / "pytorch_model.bin.index.json", error);
  throw FormatError(folder.string() + ": no weights found; looked for " + kSingle + " and " + kIndex +
                    (pickle ? "; pytorch_model.bin is there but is not read, convert it to safetensors" : ""));
}

/// A shard must lie in the model's folder itself.
void check_shard_name(const std::string& shard, const std::string& where) {
  const bool plain =
      !shard.empty() && shard != "." && shard != ".." && shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain)
    throw FormatError(where + ": weight_map names the file " + dump_json(Json(shard)) + "; expected a file name without a folder");
}

/// The index's map from tensor to shard, by tensor name.
std::map<std::string, std::string> read_index(const Path& path) {
  const std::string where = path.string();
  const Json index = read_object(path);
  const Json& weight_map = member(index, "weight_map", where);
  if (!weight_map.is_object()) throw FormatError(where + ": weight_map must be an object, found " + std::string(weight_map.type_name()));
  if (weight_map.empty()) throw FormatError(where + ": weight_map names no tensor");
  std::map<std::string, std::string> shards;
  for (const auto& [name, shard] : weight_map.items()) {
    if (!shard.is_string()) throw FormatError(where + ": weight_map: the file of " + dump_json(Json(name)) + " must be a string");
    shards[name] = shard.get<std::string>();
    check_shard_name(shards[name], where);
  }
  return shards;
}

}  // namespace

Checkpoint::Checkpoint(const Path& folder) : folder_(folder) {
  check_folder(folder);
  config_ = read_object(folder / "config.json");
  std::error_code error;
  if (std::filesystem::exists(folder / kSingle, error)) {
    files_.push_back(std::make_unique<SafetensorsFile>(folder / kSingle));
    for (const TensorInfo& info : files_[0]->tensors()) places_[info.name] = {files_[0].get(), &info};
  } else if (std::filesystem::exists(folder / kIndex, error)) {
    open_shards();
  } else {
    no_weights(folder);
  }
}

void Checkpoint::open_shards() {
  const Path index = folder_ / kIndex;
  std::map<std::string, const SafetensorsFile*> opened;
  for (const auto& [name, shard] : read_index(index)) {
    const SafetensorsFile*& file = opened[shard];
    if (file == nullptr) {
      std::error_code error;
      if (!std::filesystem::exists(folder_ / shard, error)) {
        throw FormatError(index.string() + ": the shard " + dump_json(Json(shard)) + " is missing from the folder");
      }
      files_.push_back(std::make_unique<SafetensorsFile>(folder_ / shard));
      file = files_.back().get();
    }
    const TensorInfo* info = file->find(name);
    if (info == nullptr) throw FormatError(index.string() + ": tensor " + dump_json(Json(name)) + " is not in its shard " + shard);
    places_[name] = {file, info};
  }
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> out;
  out.reserve(places_.size());
  for (const auto& [name, place] : places_) out.push_back(name);
  return out;
}

bool Checkpoint::contains(const std::string& name) const { return places_.contains(name); }

const Checkpoint::Place& Checkpoint::place(const std::string& name) const {
  const auto it = places_.find(name);
  if (it == places_.end()) throw FormatError(folder_.string() + ": tensor \"" + name + "\" is missing from the checkpoint");
  return it->second;
}

const TensorInfo& Checkpoint::info(const std::string& name) const { return *place(name).info; }

std::span<const std::byte> Checkpoint::bytes(const std::string& name) const {
  const Place& at = place(name);
  return at.file->bytes(*at.info);
}

void Checkpoint::drop(const std::string& name) const {
  const Place& at = place(name);
  at.file->drop(*at.info);
}

}  // namespace hellora
