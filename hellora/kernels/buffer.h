// Memory for kernels: 64-byte aligned, huge pages where large, kept and reused instead of returned.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hellora::kernels {

/// One block of anonymous memory with huge pages advised. Throws std::bad_alloc.
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
