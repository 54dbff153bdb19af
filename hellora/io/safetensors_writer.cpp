#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/utf8.h"
#include "hellora/io/dtype.h"
#include "hellora/io/safetensors.h"

namespace hellora {
namespace {

/// Sorts by name and lays the tensors out one after the other.
std::vector<TensorInfo> lay_out(std::vector<TensorInfo> infos, const Path& path) {
  std::sort(infos.begin(), infos.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  uint64_t reached = 0;
  const std::string* last = nullptr;
  for (TensorInfo& info : infos) {
    HELLORA_CHECK(last == nullptr || *last != info.name, "tensor declared twice: " + info.name);
    HELLORA_CHECK(info.name != "__metadata__" && is_utf8(info.name), "not a tensor name: " + info.name);
    last = &info.name;
    info.begin = reached;
    const uint64_t size = checked_size(info.shape, info.dtype, path.string() + ": tensor " + info.name);
    if (__builtin_add_overflow(reached, size, &reached) || reached > INT64_MAX) {
      throw FormatError(path.string() + ": tensors are too large together for 63 bits of bytes");
    }
    info.end = reached;
  }
  return infos;
}

std::string header_bytes(const std::vector<TensorInfo>& infos, const std::map<std::string, std::string>& metadata, const Path& path) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  // Straight into the container: looking each name up in an ordered object would take quadratic time.
  auto& members = header.get_ref<Json::object_t&>();
  for (const TensorInfo& info : infos) {
    Json entry = Json::object();
    entry["dtype"] = dtype_name(info.dtype);
    entry["shape"] = info.shape;
    entry["data_offsets"] = {info.begin, info.end};
    members.Container::emplace_back(info.name, std::move(entry));
  }
  std::string text = dump_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // as the reference implementation pads it
  if (text.size() > kMaxHeader) throw DataError("cannot write " + path.string() + ": its header would exceed the format's 100 MB");
  std::string out;
  for (size_t i = 0; i < kHeaderPrefix; ++i) out += static_cast<char>(text.size() >> (8 * i));
  return out + text;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const Path& path, std::vector<TensorInfo> infos, const std::map<std::string, std::string>& metadata)
    : infos_(lay_out(std::move(infos), path)), file_(path) {
  file_.write(header_bytes(infos_, metadata, path));
}

void SafetensorsWriter::append(const std::string& name, std::span<const std::byte> bytes) {
  HELLORA_CHECK(next_ < infos_.size(), "more tensors than declared: " + name);
  const TensorInfo& info = infos_[next_];
  HELLORA_CHECK(name == info.name, "expected tensor " + info.name + ", got " + name);
  HELLORA_CHECK(bytes.size() == info.end - info.begin, "wrong number of bytes for tensor " + name);
  file_.write(bytes);
  ++next_;
}

void SafetensorsWriter::commit() {
  HELLORA_CHECK(next_ == infos_.size(), "tensors declared but not written: " + infos_[next_].name);
  file_.commit();
}

void write_safetensors(const Path& path, std::vector<TensorBytes> tensors, const std::map<std::string, std::string>& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<TensorInfo> infos;
  infos.reserve(tensors.size());
  for (const TensorBytes& tensor : tensors) infos.push_back({.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape});
  SafetensorsWriter writer(path, std::move(infos), metadata);
  for (const TensorBytes& tensor : tensors) writer.append(tensor.name, tensor.bytes);
  writer.commit();
}

}  // namespace hellora
