// Ctrl-C: the first asks the loop to stop and save, the second stops at once.
#pragma once

namespace hellora {

/// Watches SIGINT and SIGTERM while it lives.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

bool interrupt_requested();

}  // namespace hellora
