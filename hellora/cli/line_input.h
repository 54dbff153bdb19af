// Lines that a person types or a program pipes in. On a terminal they can be edited and called up again; the history lives in
// memory and ends with the program.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace hellora {

class LineInput {
 public:
  virtual ~LineInput() = default;
  /// The next line without its end, "\r\n" included; nothing at the end of the input.
  virtual std::optional<std::string> read() = 0;
};

/// Reads standard input; `prompt` is shown where that is a terminal.
std::unique_ptr<LineInput> make_line_input(const std::string& prompt);

/// A reader with editing and history (libedit); null where the program was built without it.
std::unique_ptr<LineInput> make_line_editor(const std::string& prompt);

}  // namespace hellora
