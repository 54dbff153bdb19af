#include "hellora/io/safetensors.h"

#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/utf8.h"
#include "hellora/io/dtype.h"

namespace hellora {
namespace {

std::string tensor_place(const Path& path, const std::string& name) { return path.string() + ": tensor " + dump_json(name); }

/// The JSON header's text; checks the length prefix.
std::string_view header_text(std::span<const std::byte> bytes, const Path& path) {
  if (bytes.size() < kHeaderPrefix) {
    throw FormatError(path.string() + ": " + std::to_string(bytes.size()) + " bytes; a safetensors file has at least 8 and a JSON header");
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kHeaderPrefix; ++i) length |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  const uint64_t limit = std::min<uint64_t>(kMaxHeader, bytes.size() - kHeaderPrefix);
  if (length > limit) {
    throw FormatError(path.string() + ": header length " + std::to_string(length) + "; expected at most " + std::to_string(limit) +
                      " (the file's size, and 100 MB)");
  }
  return {reinterpret_cast<const char*>(bytes.data()) + kHeaderPrefix, static_cast<size_t>(length)};
}

Json parse_header(std::string_view text, const Path& path) {
  const std::string where = path.string() + ": header";
  if (!text.starts_with('{')) throw FormatError(where + ": expected a JSON object that starts with \"{\"");
  if (!is_utf8(text)) throw FormatError(where + ": not valid UTF-8");
  return parse_json(text, where);
}

std::map<std::string, std::string> read_metadata(const Json& value, const Path& path) {
  const std::string where = path.string() + ": __metadata__";
  if (!value.is_object()) throw FormatError(where + ": expected an object of strings, found " + value.type_name());
  std::map<std::string, std::string> out;
  for (const auto& [key, item] : value.items()) {
    if (!item.is_string()) throw FormatError(where + ": key " + dump_json(key) + " must be a string, found " + item.type_name());
    out[key] = item.get<std::string>();
  }
  return out;
}

TensorInfo read_info(const std::string& name, const Json& value, const Path& path) {
  const std::string where = tensor_place(path, name);
  TensorInfo info{
      .name = name, .dtype = parse_dtype(string_member(value, "dtype", where), where), .shape = ints_member(value, "shape", where)};
  const uint64_t size = checked_size(info.shape, info.dtype, where);
  const std::vector<int64_t> offsets = ints_member(value, "data_offsets", where);
  if (offsets.size() != 2 || offsets[0] < 0 || offsets[0] > offsets[1]) {
    throw FormatError(where + ": data_offsets must be two numbers [begin, end] with 0 <= begin <= end");
  }
  info.begin = static_cast<uint64_t>(offsets[0]);
  info.end = static_cast<uint64_t>(offsets[1]);
  if (info.end - info.begin != size) {
    throw FormatError(where + ": data_offsets span " + std::to_string(info.end - info.begin) + " bytes, but dtype and shape need " +
                      std::to_string(size));
  }
  return info;
}

/// In the order of their offsets the tensors must follow each other exactly and end with the file.
void check_cover(std::vector<TensorInfo> tensors, uint64_t data_size, const Path& path) {
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  uint64_t reached = 0;
  for (const TensorInfo& info : tensors) {
    const std::string where = tensor_place(path, info.name);
    if (info.begin < reached) throw FormatError(where + ": overlaps the tensor before it");
    if (info.begin > reached) throw FormatError(where + ": a hole of " + std::to_string(info.begin - reached) + " bytes before it");
    if (info.end > data_size) {
      throw FormatError(where + ": ends at byte " + std::to_string(info.end) + " of the data, but the file has " +
                        std::to_string(data_size));
    }
    reached = info.end;
  }
  if (reached != data_size) {
    throw FormatError(path.string() + ": " + std::to_string(data_size - reached) + " bytes after the last tensor belong to none");
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const Path& path) : path_(path), map_(path) {
  const std::string_view text = header_text(map_.bytes(), path);
  data_start_ = kHeaderPrefix + text.size();
  const Json header = parse_header(text, path);
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      metadata_ = read_metadata(value, path);
    } else {
      tensors_.push_back(read_info(name, value, path));
    }
  }
  check_cover(tensors_, map_.bytes().size() - data_start_, path);
  std::sort(tensors_.begin(), tensors_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
}

const TensorInfo* SafetensorsFile::find(const std::string& name) const {
  const auto it =
      std::lower_bound(tensors_.begin(), tensors_.end(), name, [](const TensorInfo& info, const auto& n) { return info.name < n; });
  return it != tensors_.end() && it->name == name ? &*it : nullptr;
}

std::span<const std::byte> SafetensorsFile::bytes(const TensorInfo& tensor) const {
  const auto data = map_.bytes().subspan(data_start_);
  HELLORA_CHECK(tensor.begin <= tensor.end && tensor.end <= data.size(), "tensor of another file: " + tensor.name);
  return data.subspan(tensor.begin, tensor.end - tensor.begin);
}

void SafetensorsFile::drop(const TensorInfo& tensor) const { map_.drop(data_start_ + tensor.begin, data_start_ + tensor.end); }

}  // namespace hellora
