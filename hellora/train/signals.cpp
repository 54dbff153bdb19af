#include "hellora/train/signals.h"

#include <unistd.h>

#include <string_view>

#include "hellora/core/error.h"

namespace hellora {
namespace {

volatile std::sig_atomic_t requested = 0, at_once_now = 0;
int guards = 0;

void on_signal(int) {
  if (requested != 0) _exit(130);
  requested = 1;
  if (at_once_now == 0) return;
  constexpr std::string_view kLine = "\nwarning: stopped before the run began\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kLine.data(), kLine.size());
  _exit(130);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  if (guards++ > 0) return;
  requested = 0;
  for (size_t i = 0; i < std::size(kStopSignals); ++i) {
    ::sigaction(kStopSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_IGN) continue;
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    ::sigaction(kStopSignals[i], &action, nullptr);
  }
}

InterruptGuard::~InterruptGuard() {
  if (--guards > 0) return;
  at_once_now = 0;
  for (size_t i = 0; i < std::size(kStopSignals); ++i) ::sigaction(kStopSignals[i], &before_[i], nullptr);
}

void stop_at_once(bool at_once) { at_once_now = at_once ? 1 : 0; }

bool interrupt_requested() { return requested != 0; }

void stop_if_interrupted(const std::string& message) {
  if (requested != 0) throw Interrupted(message);
}

}  // namespace hellora
