// Whole files: reading, memory maps, and writing that never leaves a half-written file behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace hellora {

using Path = std::filesystem::path;

/// The bytes of a file; DataError "cannot read …" with the system's reason.
std::string read_text(const Path& path);

/// A read-only map of a whole file.
class MappedFile {
 public:
  explicit MappedFile(const Path& path);  // DataError when it cannot be opened or is not a regular file
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// Tells the kernel that the pages inside [begin, end) are no longer needed.
  void drop(size_t begin, size_t end) const;

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Writes to a temporary name in the same folder; commit() syncs and renames. Without commit() the temporary file is removed.
/// Every write error (full disk, no permission) is a DataError that names the final path and the reason.
class AtomicFile {
 public:
  explicit AtomicFile(Path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void commit();

 private:
  Path path_, temporary_;
  int descriptor_ = -1;
};

void write_text_atomic(const Path& path, std::string_view text);

/// Creates the folder and its parents; DataError with the reason.
void make_folder(const Path& path);

}  // namespace hellora
