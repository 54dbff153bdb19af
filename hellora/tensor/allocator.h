// Memory of tensors: large blocks come on huge pages and are kept for the next tensor of about their size. A training step
// asks for the same sizes again and again, and the kernel clears every page that it hands out.
#pragma once

#include <cstdint>

namespace hellora {

/// Puts the allocator in front of libtorch's own, for the rest of the process.
void install_allocator();

struct MemoryUse {
  int64_t live = 0, idle = 0;  // bytes of large blocks in tensors, and kept for later
};
MemoryUse large_block_use();

}  // namespace hellora
