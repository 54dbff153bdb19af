// Memory for kernels: 64-byte aligned, huge pages where large, kept and reused instead of returned.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hellora::kernels {

/// For tests: from now on memory that is handed out holds NaN bytes (0xFF), so that a read of what nobody wrote shows.
void poison_memory(bool on);
bool memory_is_poisoned();

inline constexpr size_t kHugePage = size_t{2} << 20;

/// One block of anonymous memory; from 2 MiB on it begins at a huge page, and huge pages are advised. Throws std::bad_alloc.
class Block {
 public:
  Block() = default;
  explicit Block(size_t bytes);
  ~Block();
  Block(Block&& other) noexcept;
  Block& operator=(Block&& other) noexcept;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Grow-only scratch: get() returns at least so many bytes, whose content is undefined; the last pointer becomes invalid.
class Scratch {
 public:
  std::byte* get(size_t bytes);
  template <class T>
  T* get_as(int64_t count) {
    return reinterpret_cast<T*>(get(static_cast<size_t>(count) * sizeof(T)));
  }

 private:
  Block block_;
};

}  // namespace hellora::kernels
