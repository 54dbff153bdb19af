// Ctrl-C and its relatives (SIGINT, SIGTERM, SIGHUP, SIGQUIT): the first asks to stop and save, the second stops at once.
#pragma once

#include <csignal>
#include <string>

namespace hellora {

inline constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/// Watches the signals while it lives; one inside another changes nothing. A signal that the parent had ignored (nohup) stays so.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction before_[std::size(kStopSignals)] = {};
};

/// While nothing can be saved yet, the first signal ends the program as well: one line and exit code 130.
void stop_at_once(bool at_once);

bool interrupt_requested();

/// Throws Interrupted with `message` when a signal came.
void stop_if_interrupted(const std::string& message);

}  // namespace hellora
