#include "hellora/data/token_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "hellora/core/error.h"
#include "hellora/io/descriptor.h"

namespace hellora {
namespace {

constexpr size_t kBlockWords = size_t{1} << 18;     // 1 MiB
constexpr size_t kSegmentBytes = size_t{16} << 20;  // a multiple of every page size

[[noreturn]] void refuse(const Path& folder, int error) {
  throw DataError("cannot keep token rows in " + folder.string() + ": " + std::generic_category().message(error) +
                  "; set TMPDIR to a folder with room on a disk");
}

Path temporary_folder() {
  const char* given = std::getenv("TMPDIR");
  return given != nullptr && *given != '\0' ? given : "/var/tmp";  // not /tmp: that is memory on many machines
}

int open_unnamed(const Path& folder) {
  // lint: a file without a name, of this process alone
  const int unnamed = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (unnamed >= 0) return unnamed;
  // Some file systems know no files without a name.
  std::string name = (folder / "hellora-rows-XXXXXX").string();
  // lint: for a moment, where there are none without a name
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named < 0) refuse(folder, errno);
  ::unlink(name.c_str());  // lint: the name just made
  return named;
}

void narrow(std::span<const int64_t> ids, int32_t* out) {
  for (size_t i = 0; i < ids.size(); ++i) {
    out[i] = static_cast<int32_t>(ids[i]);
    if (out[i] != ids[i]) throw DataError("token id " + std::to_string(ids[i]) + " does not fit into 32 bits");
  }
}

}  // namespace

/// Rows are written by system calls and read through maps: a full disk is an error code then, not a signal as it is for a store
/// to a mapped page. A row lies inside one segment.
struct TokenStore::File {
  File() : folder(temporary_folder()), descriptor(open_unnamed(folder)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    for (const Segment& one : segments) ::munmap(one.data, one.bytes);
  }

  struct Segment {
    void* data;
    size_t bytes;
  };

  void add_segment(size_t least) {
    begin += segments.empty() ? 0 : segments.back().bytes;
    used = 0;
    const size_t bytes = (std::max(least, size_t{1}) + kSegmentBytes - 1) / kSegmentBytes * kSegmentBytes;
    if (::ftruncate(descriptor.get(), static_cast<off_t>(begin + bytes)) != 0) refuse(folder, errno);
    void* data = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor.get(), static_cast<off_t>(begin));
    if (data == MAP_FAILED) refuse(folder, errno);
    segments.push_back({data, bytes});
  }

  const int32_t* write(std::span<const std::byte> bytes) {
    if (segments.empty() || used + bytes.size() > segments.back().bytes) add_segment(bytes.size());
    const size_t first = used;
    while (!bytes.empty()) {
      const ssize_t count = ::pwrite(descriptor.get(), bytes.data(), bytes.size(), static_cast<off_t>(begin + used));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) refuse(folder, errno);
      used += static_cast<size_t>(count);
      bytes = bytes.subspan(static_cast<size_t>(count));
    }
    return static_cast<const int32_t*>(segments.back().data) + first / sizeof(int32_t);
  }

  Path folder;
  Descriptor descriptor;
  std::vector<Segment> segments;
  size_t begin = 0, used = 0;  // of the last segment
};

TokenStore::TokenStore(size_t in_memory) : in_memory_(in_memory) {}
TokenStore::~TokenStore() = default;

StoredRow TokenStore::append(std::span<const int64_t> ids, std::span<const int64_t> targets) {
  HELLORA_CHECK(ids.size() == targets.size(), "a row has one target for each id");
  row_.resize(2 * ids.size());
  narrow(ids, row_.data());
  narrow(targets, row_.data() + ids.size());
  const int32_t* data = keep(row_);
  return {{data, ids.size()}, {data + ids.size(), ids.size()}};
}

const int32_t* TokenStore::keep(std::span<const int32_t> words) {
  if (file_ == nullptr) {
    const int32_t* kept = keep_in_memory(words);
    if (kept != nullptr) return kept;
    file_ = std::make_unique<File>();
  }
  written_ += words.size_bytes();
  return file_->write(std::as_bytes(words));
}

/// Null when there is no room left.
const int32_t* TokenStore::keep_in_memory(std::span<const int32_t> words) {
  if (blocks_.empty() || block_used_ + words.size() > block_words_) {
    const size_t size = std::max(kBlockWords, words.size());
    if (memory_bytes_ + size * sizeof(int32_t) > in_memory_) return nullptr;
    blocks_.push_back(std::make_unique_for_overwrite<int32_t[]>(size));
    block_words_ = size;
    block_used_ = 0;
    memory_bytes_ += size * sizeof(int32_t);
  }
  int32_t* kept = blocks_.back().get() + block_used_;
  std::copy(words.begin(), words.end(), kept);
  block_used_ += words.size();
  return kept;
}

void TokenStore::will_need(const StoredRow& row) const {
  if (file_ == nullptr || row.ids.empty()) return;
  const auto* data = reinterpret_cast<const std::byte*>(row.ids.data());
  const size_t bytes = 2 * row.ids.size_bytes(), page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  for (const File::Segment& one : file_->segments) {
    const auto* begin = static_cast<const std::byte*>(one.data);
    if (data < begin || data >= begin + one.bytes) continue;
    const size_t from = static_cast<size_t>(data - begin), first = from / page * page;
    ::madvise(static_cast<std::byte*>(one.data) + first, from + bytes - first, MADV_WILLNEED);  // only advice
    return;
  }
}

}  // namespace hellora
