// The GGUF format, versions 2 and 3, little endian: mapped, fully checked reading (github.com/ggml-org/ggml, docs/gguf.md).
// Format: "GGUF", version, counts, metadata, descriptions of tensors, and their bytes from a multiple of the alignment on.
#pragma once

#include <string>
#include <vector>

#include "hellora/io/files.h"
#include "hellora/io/gguf_types.h"
#include "hellora/io/gguf_values.h"

namespace hellora {

struct GgufTensor {
  std::string name;
  GgufType type = GgufType::f32;
  std::vector<int64_t> sizes;   // as torch counts them: the last is the one whose elements follow each other
  uint64_t begin = 0, end = 0;  // in the file
  int64_t count() const;        // of elements, known not to overflow
};

/// Opening checks everything: magic, version, counts against the file's length, every key and value, names given twice, known types,
/// whole blocks, overflow-free sizes, alignment, tensors inside the file that do not overlap. FormatError names file, key or tensor.
class GgufFile {
 public:
  explicit GgufFile(const Path& path);
  const Path& path() const { return path_; }
  uint32_t version() const { return version_; }
  GgufMetadata& metadata() { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }  // sorted by name
  const GgufTensor* find(const std::string& name) const;               // nullptr when absent
  /// The bytes of elements [first, first + count), which are whole blocks.
  std::span<const std::byte> bytes(const GgufTensor& tensor, int64_t first, int64_t count) const;
  void drop(const GgufTensor& tensor, int64_t first, int64_t count) const;  // their pages are no longer needed

 private:
  GgufTensor read_tensor(GgufCursor& cursor) const;
  void place_tensors(uint64_t data_start);

  Path path_;
  MappedFile map_;
  uint32_t version_ = 0;
  uint64_t alignment_ = 32;
  GgufMetadata metadata_;
  std::vector<GgufTensor> tensors_;
};

}  // namespace hellora
