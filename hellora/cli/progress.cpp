#include "hellora/cli/progress.h"

#include <unistd.h>

#include <iostream>

#include "hellora/core/text.h"

namespace hellora {
namespace {

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 60) return std::to_string(whole) + "s";
  if (whole < 3600) return std::to_string(whole / 60) + "m" + std::to_string(whole % 60) + "s";
  return std::to_string(whole / 3600) + "h" + std::to_string(whole % 3600 / 60) + "m";
}

}  // namespace

std::function<void(const StepReport&)> progress_printer(const std::string& title, bool quiet) {
  if (quiet) return {};
  const bool terminal = isatty(STDERR_FILENO) == 1;
  return [=](const StepReport& r) {
    const bool last = r.step == r.total;
    const int64_t every = std::max<int64_t>(1, r.total / 20);
    if (!terminal && !last && r.step != 1 && r.step % every != 0) return;
    const std::string line = title + " " + std::to_string(r.step) + "/" + std::to_string(r.total) + "  loss " + fixed(r.loss, 4) + "  lr " +
                             fixed(r.lr * 1e4, 3) + "e-4  " + fixed(r.tokens_per_second, 0) + " tok/s  " +
                             human_bytes(static_cast<double>(r.resident)) + "  " + (last ? "done" : "ETA " + duration(r.seconds_left));
    std::cerr << (terminal ? "\r\033[K" : "") << line << (terminal && !last ? "" : "\n") << std::flush;
  };
}

}  // namespace hellora
