// Taken by CMake where libedit is absent.
#include "hellora/cli/line_input.h"

namespace hellora {

std::unique_ptr<LineInput> make_line_editor(const std::string&) { return nullptr; }

}  // namespace hellora
