#include "hellora/recipe/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "hellora/core/log.h"
#include "hellora/core/open_line.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

constexpr int kPlainLines = 20, kUsualColumns = 80, kSmallestBar = 8, kLargestBar = 24;
constexpr double kPause = 2;  // seconds

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool on_terminal() {
  const char* kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && (kind == nullptr || std::string(kind) != "dumb");
}

/// One less than the terminal has: a full line would leave the cursor on the next one.
int line_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col - 1;
  const char* given = std::getenv("COLUMNS");
  const int columns = given != nullptr ? std::atoi(given) : 0;  // lint: what is no number is 0, and not used
  return (columns > 0 ? columns : kUsualColumns) - 1;
}

std::string counts_text(const std::string& title, int64_t done, int64_t total) {
  return title + " " + std::to_string(done) + "/" + std::to_string(total);
}

std::string bar_text(int64_t done, int64_t total, int cells) {
  const double share = std::clamp(static_cast<double>(done) / static_cast<double>(std::max<int64_t>(1, total)), 0.0, 1.0);
  const auto full = static_cast<size_t>(share * cells), all = static_cast<size_t>(cells);
  std::string bar(all + 2, ' ');
  bar.front() = '[';
  bar.back() = ']';
  std::fill_n(bar.begin() + 1, full, '=');
  if (full < all) bar[full + 1] = '>';
  return bar;
}

}  // namespace

std::string terminal_line(const std::string& title, int64_t done, int64_t total, const std::string& rest, int columns) {
  std::string line = counts_text(title, done, total);
  const int room = columns - static_cast<int>(line.size() + rest.size()) - 5;  // two brackets and the spaces around the bar
  if (room >= kSmallestBar) line.append(" ").append(bar_text(done, total, std::min(room, kLargestBar)));
  line.append("  ").append(rest);
  if (static_cast<int>(line.size()) > columns) line.resize(static_cast<size_t>(std::max(0, columns)));
  return line;
}

bool plain_line_due(int64_t done, int64_t total) {
  const int64_t every = std::max<int64_t>(1, (total + kPlainLines - 1) / kPlainLines);
  return done == 1 || done >= total || done % every == 0;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 60) return std::to_string(whole) + "s";
  if (whole < 3600) return std::to_string(whole / 60) + "m" + std::to_string(whole % 60) + "s";
  return std::to_string(whole / 3600) + "h" + std::to_string(whole % 3600 / 60) + "m";
}

std::string rate_text(double rate) {
  std::array<char, 32> buffer{};
  const int length = std::snprintf(buffer.data(), buffer.size(), "%.1e", rate);
  std::string text(buffer.data(), static_cast<size_t>(std::max(0, length)));
  const size_t exponent = text.find('e');
  if (exponent != std::string::npos && text.size() == exponent + 4 && text[exponent + 2] == '0') text.erase(exponent + 2, 1);
  return text;
}

void print_line(const std::string& text) {
  if (!log_shows_info()) return;
  end_open_line();
  std::cerr << text << "\n" << std::flush;
}

Progress::Progress(std::string title, Ending ending, Lines lines)
    : title_(std::move(title)),
      ending_(ending),
      lines_(lines),
      shown_(log_shows_info()),
      terminal_(on_terminal()),
      start_(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  if (!shown_ || !terminal_) return;
  if (ending_ == Ending::erase) erase_open_line();
  end_open_line();
}

bool Progress::plain_line_wanted(int64_t done, int64_t total, double elapsed) const {
  const bool waited = elapsed - last_line_ >= kPause, end = done == 1 || done >= total;
  return plain_line_due(done, total) && (lines_ == Lines::usual || waited || (lines_ == Lines::seldom && end));
}

void Progress::show(int64_t done, int64_t total, const std::string& details, double seconds_left) {
  const double elapsed = seconds_since(start_);
  if (!shown_ || (!terminal_ && !plain_line_wanted(done, total, elapsed))) return;
  last_line_ = elapsed;
  if (seconds_left < 0) seconds_left = elapsed / static_cast<double>(std::max<int64_t>(1, done)) * static_cast<double>(total - done);
  const std::string end = done >= total ? "done" : "ETA " + duration_text(seconds_left);
  const std::string rest = details + (details.empty() ? "" : "  ") + end;
  if (!terminal_) return print_line(counts_text(title_, done, total) + "  " + rest);
  draw_open_line(terminal_line(title_, done, total, rest, line_columns()));
  if (done >= total && ending_ == Ending::keep) end_open_line();
}

std::function<void(const StepReport&)> step_printer(Progress& line) {
  return [&line](const StepReport& r) {
    line.show(r.step, r.total,
              "loss " + fixed(r.loss, 4) + "  lr " + rate_text(r.lr) + "  " + fixed(r.tokens_per_second, 0) + " tok/s  " +
                  human_bytes(static_cast<double>(r.resident)),
              r.seconds_left);
  };
}

}  // namespace hellora
