// Text normalisation before tokenising.
#pragma once

#include <string>
#include <string_view>

namespace hellora {

/// Canonical composition (utf8proc); the text must be valid UTF-8.
std::string nfc(std::string_view text);

}  // namespace hellora
