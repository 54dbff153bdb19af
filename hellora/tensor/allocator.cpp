#include "hellora/tensor/allocator.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>

#include "hellora/kernels/buffer.h"
#include "hellora/tensor/torch.h"

namespace hellora {
namespace {

using kernels::Block;
using kernels::kHugePage;

/// Blocks of at least one huge page. What is kept never lets the whole grow beyond the most that tensors once needed
/// together, by more than a sixteenth.
class LargeBlocks {
 public:
  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t size = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    const auto fitting = idle_.lower_bound(size);
    Block block;
    if (fitting != idle_.end() && fitting->first <= size + size / 4) {
      block = std::move(fitting->second);
      idle_bytes_ -= block.size();
      idle_.erase(fitting);
    } else {
      make_room(size);
      block = Block(size);
    }
    void* data = block.data();
    live_bytes_ += block.size();
    most_live_ = std::max(most_live_, live_bytes_);
    live_.emplace(data, std::move(block));
    return data;
  }

  /// False when the memory is none of these blocks.
  bool give_back(void* data) {
    const std::lock_guard lock(mutex_);
    const auto it = live_.find(data);
    if (it == live_.end()) return false;
    live_bytes_ -= it->second.size();
    idle_bytes_ += it->second.size();
    const size_t size = it->second.size();
    idle_.emplace(size, std::move(it->second));
    live_.erase(it);
    return true;
  }

  MemoryUse use() {
    const std::lock_guard lock(mutex_);
    return {static_cast<int64_t>(live_bytes_), static_cast<int64_t>(idle_bytes_)};
  }

 private:
  void make_room(size_t size) {
    const size_t most = std::max(most_live_, live_bytes_ + size), limit = most + most / 16;
    while (!idle_.empty() && live_bytes_ + idle_bytes_ + size > limit) {
      const auto largest = std::prev(idle_.end());
      idle_bytes_ -= largest->first;
      idle_.erase(largest);
    }
  }

  std::mutex mutex_;
  std::unordered_map<void*, Block> live_;
  std::multimap<size_t, Block> idle_;
  size_t live_bytes_ = 0, idle_bytes_ = 0, most_live_ = 0;
};

/// Never destroyed: tensors in static storage outlive everything else.
LargeBlocks& large_blocks() {
  static auto* blocks = new LargeBlocks;
  return *blocks;
}

void release(void* data) {
  const bool large = reinterpret_cast<uintptr_t>(data) % kHugePage == 0;
  if (!large || !large_blocks().give_back(data)) std::free(data);
}

class StepAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = nullptr;
    if (bytes >= kHugePage) {
      data = large_blocks().take(bytes);
    } else if (bytes > 0 && posix_memalign(&data, 64, bytes) != 0) {
      throw std::bad_alloc();
    }
    if (bytes > 0 && kernels::memory_is_poisoned()) std::memset(data, 0xFF, bytes);
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t count) const override { default_copy_data(to, from, count); }
};

}  // namespace

void install_allocator() { c10::SetCPUAllocator(new StepAllocator, 100); }

MemoryUse large_block_use() { return large_blocks().use(); }

}  // namespace hellora
