// Token rows outside the heap: the first ones in memory, all others in a temporary file that is mapped, so that the kernel may drop
// its pages and read them again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace hellora {

/// ids and targets of one row, of equal length.
struct StoredRow {
  std::span<const int32_t> ids, targets;
};

/// Appending moves no row: spans hold as long as the store. One thread appends, any number reads.
class TokenStore {
 public:
  static constexpr size_t kInMemory = size_t{64} << 20;
  /// Up to `in_memory` bytes stay in memory.
  explicit TokenStore(size_t in_memory = kInMemory);
  TokenStore(const TokenStore&) = delete;
  TokenStore& operator=(const TokenStore&) = delete;
  ~TokenStore();

  /// DataError when an id needs more than 32 bits, or when the file cannot be made or written (no folder, disk full): it lies in
  /// $TMPDIR, else /var/tmp, without a name, so that nothing is left behind however the process ends.
  StoredRow append(std::span<const int64_t> ids, std::span<const int64_t> targets);
  /// Tells the kernel that a row will be read soon.
  void will_need(const StoredRow& row) const;
  size_t bytes_on_disk() const { return written_; }

 private:
  struct File;
  const int32_t* keep(std::span<const int32_t> words);
  const int32_t* keep_in_memory(std::span<const int32_t> words);

  size_t in_memory_;
  std::vector<std::unique_ptr<int32_t[]>> blocks_;
  size_t block_words_ = 0, block_used_ = 0, memory_bytes_ = 0;  // words of the last block
  std::unique_ptr<File> file_;
  size_t written_ = 0;
  std::vector<int32_t> row_;  // what is being appended
};

}  // namespace hellora
