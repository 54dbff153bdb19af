#include "hellora/kernels/buffer.h"

#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <new>
#include <utility>

namespace hellora::kernels {

namespace {
std::atomic<bool> poison{false};
}

void poison_memory(bool on) { poison = on; }
bool memory_is_poisoned() { return poison; }

Block::Block(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  constexpr size_t kPage = 4096;
  const size_t whole = (bytes + kPage - 1) / kPage * kPage, slack = bytes >= kHugePage ? kHugePage : 0;
  void* memory = mmap(nullptr, whole + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(memory);
  if (slack == 0) return;
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(memory) % kHugePage) % kHugePage;
  if (before > 0) munmap(memory, before);
  data_ += before;
  if (slack > before) munmap(data_ + whole, slack - before);
  madvise(data_, whole, MADV_HUGEPAGE);  // a wish: without huge pages it only runs slower
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
  if (poison) std::memset(block_.data(), 0xFF, bytes);
  return block_.data();
}

}  // namespace hellora::kernels
