// The safetensors format: mapped, fully checked reading; sorted, atomic writing.
// Format: 8-byte little-endian header length, JSON header, tensor bytes (github.com/huggingface/safetensors).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hellora/io/files.h"

namespace hellora {

enum class Dtype : uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

size_t dtype_size(Dtype dtype);
std::string dtype_name(Dtype dtype);  // "F32", "BF16", … as in the file

/// A tensor's place. `begin` and `end` are offsets into the data part.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;
  int64_t count() const;  // number of elements, already known not to overflow
};

/// A mapped file. Opening checks everything: header length and UTF-8/JSON form, duplicate keys, known dtypes,
/// overflow-free sizes, offsets that cover the data part without holes or overlaps. FormatError names file and tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const Path& path);
  const Path& path() const { return path_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // sorted by name
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const TensorInfo* find(const std::string& name) const;  // nullptr when absent
  std::span<const std::byte> bytes(const TensorInfo& tensor) const;
  void drop(const TensorInfo& tensor) const;  // its pages are no longer needed

 private:
  Path path_;
  MappedFile map_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  size_t data_start_ = 0;
};

/// What to write: the bytes are borrowed until the call returns.
struct TensorBytes {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Writes all tensors sorted by name (data in the same order); the same input gives the same bytes.
/// With several dtypes in one file a tensor may start at an address that is no multiple of its element size: copy, do not cast.
/// DataError when the file cannot be written, FormatError for sizes beyond 63 bits; names given twice are a programmer error.
void write_safetensors(const Path& path, std::vector<TensorBytes> tensors, const std::map<std::string, std::string>& metadata);

/// Writes one tensor after the other without holding them: declare all, then append in name order, then commit.
class SafetensorsWriter {
 public:
  /// `infos` need name, dtype and shape; offsets are computed here.
  SafetensorsWriter(const Path& path, std::vector<TensorInfo> infos, const std::map<std::string, std::string>& metadata);
  const std::vector<TensorInfo>& order() const { return infos_; }          // sorted by name, with offsets
  void append(const std::string& name, std::span<const std::byte> bytes);  // must follow order()
  void commit();

 private:
  std::vector<TensorInfo> infos_;
  AtomicFile file_;
  size_t next_ = 0;
};

}  // namespace hellora
