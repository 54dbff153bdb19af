// Unicode's canonical composition (NFC).
#pragma once

#include <string>
#include <string_view>

namespace hellora {

/// NFC as the reference library has it: combining characters that came after Unicode 9 stay where they are. The text must be
/// valid UTF-8.
std::string nfc(std::string_view text);

}  // namespace hellora
