#include "hellora/core/terminal.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "hellora/core/printable.h"

namespace hellora {

bool is_terminal(int descriptor) { return ::isatty(descriptor) == 1; }

bool colours_on(int descriptor) {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  return is_terminal(descriptor) && set("NO_COLOR").empty() && !set("TERM").empty() && set("TERM") != "dumb";
}

std::string result_text(std::string text) { return is_terminal(STDOUT_FILENO) ? printable_text(text) : std::move(text); }

}  // namespace hellora
