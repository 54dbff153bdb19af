#include "hellora/kernels/buffer.h"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace hellora::kernels {

Block::Block(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: without huge pages it only runs slower
  data_ = static_cast<std::byte*>(memory);
}

Block::~Block() {
  if (data_ != nullptr) munmap(data_, size_);
}

Block::Block(Block&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Block& Block::operator=(Block&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

std::byte* Scratch::get(size_t bytes) {
  if (bytes > block_.size()) {
    block_ = Block();  // before the new one: never both
    block_ = Block(bytes + bytes / 4);
  }
  return block_.data();
}

}  // namespace hellora::kernels
