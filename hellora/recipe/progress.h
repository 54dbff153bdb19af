// The progress line of a phase on a terminal, a few plain lines otherwise; all of it on stderr.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "hellora/train/trainer.h"

namespace hellora {

/// What is left of a line on a terminal when its phase is over.
enum class Ending { keep, erase };
/// Which lines appear off a terminal: the first, the last and about twenty in all; the first, the last and those that come two seconds
/// after the one before; or only the latter.
enum class Lines { usual, seldom, slow };

/// Prints how far a phase is: "evaluate 3/12  loss 3.6231  ETA 4s", with a bar where a terminal has room for it. Prints nothing where
/// messages of information are not wanted.
class Progress {
 public:
  explicit Progress(std::string title, Ending ending = Ending::keep, Lines lines = Lines::usual);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// `seconds_left` below 0: as long for each of the rest as for one of those that are done.
  void show(int64_t done, int64_t total, const std::string& details = "", double seconds_left = -1);

 private:
  bool plain_line_wanted(int64_t done, int64_t total, double elapsed) const;

  std::string title_;
  Ending ending_;
  Lines lines_;
  bool shown_, terminal_;
  double last_line_ = 0;  // seconds since the start
  std::chrono::steady_clock::time_point start_;
};

/// Shows the steps of a training on the line, which must outlive the function.
std::function<void(const StepReport&)> step_printer(Progress& line);

/// A line beside the progress ("eval 50: loss 3.6231"), where messages of information are wanted.
void print_line(const std::string& text);

/// The line of a phase, at most `columns` long: without the bar, and then cut, where it must be.
std::string terminal_line(const std::string& title, int64_t done, int64_t total, const std::string& rest, int columns);
/// True for the lines that appear off a terminal.
bool plain_line_due(int64_t done, int64_t total);
/// "2m5s"
std::string duration_text(double seconds);
/// "2.0e-3"
std::string rate_text(double rate);

}  // namespace hellora
