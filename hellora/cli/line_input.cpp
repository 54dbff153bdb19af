#include "hellora/cli/line_input.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

namespace hellora {
namespace {

class PlainReader : public LineInput {
 public:
  explicit PlainReader(std::string prompt) : prompt_(std::move(prompt)) {}

  std::optional<std::string> read() override {
    if (!prompt_.empty()) std::cout << prompt_ << std::flush;
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    if (line.ends_with('\r')) line.pop_back();
    return line;
  }

 private:
  std::string prompt_;
};

/// A terminal that can move its cursor, on both sides.
bool can_edit() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1 && kind != nullptr && *kind != '\0' &&
         std::string_view(kind) != "dumb";
}

}  // namespace

std::unique_ptr<LineInput> make_line_input(const std::string& prompt) {
  if (can_edit()) {
    if (auto editor = make_line_editor(prompt)) return editor;
  }
  return std::make_unique<PlainReader>(::isatty(STDIN_FILENO) == 1 ? prompt : std::string());
}

}  // namespace hellora
