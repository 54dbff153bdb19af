#include "hellora/io/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "hellora/core/error.h"
#include "hellora/io/descriptor.h"
#include "hellora/io/map_guard.h"

namespace hellora {

std::string read_text(const Path& path) {
  const Descriptor file(open_for_reading(path));
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) system_error("read", path, errno);
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(count));
  }
}

MappedFile::MappedFile(const Path& path) {
  const Descriptor file(open_for_reading(path));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) system_error("read", path, errno);
  if (status.st_size == 0) return;  // mmap refuses an empty range
  const auto size = static_cast<size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) system_error("map", path, errno);
  data_ = static_cast<const std::byte*>(address);
  size_ = size;
  watch_map(bytes(), path);
}

MappedFile::MappedFile(MappedFile&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  forget_map(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::drop(size_t begin, size_t end) const {
  HELLORA_CHECK(begin <= end && end <= size_, "range outside the mapped file");
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t first = (begin + page - 1) / page * page;
  const size_t last = end == size_ ? size_ : end / page * page;  // the kernel rounds the file's end up to its page
  // Only advice: the pages are clean, and a later read maps them again.
  if (first < last) ::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);
}

void write_text_atomic(const Path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void make_folder(const Path& path) {
  std::error_code error;
  std::filesystem::create_directories(system_name("write", path), error);
  if (error) throw DataError("cannot create folder " + path.string() + ": " + error.message());
  if (!std::filesystem::is_directory(path, error))
    throw DataError("cannot create folder " + path.string() + ": a file of that name exists");
}

}  // namespace hellora
