#include "hellora/text/byte_level.h"

#include <unordered_map>

#include "hellora/core/utf8.h"

namespace hellora {

const std::array<std::string, 256>& byte_characters() {
  static const std::array<std::string, 256> table = [] {
    std::array<std::string, 256> made;
    uint32_t extra = 256;  // bytes without a printable Latin-1 character take code points from here on
    for (uint32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      made[b] = encode_utf8(printable ? b : extra++);
    }
    return made;
  }();
  return table;
}

std::string to_byte_alphabet(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += byte_characters()[static_cast<unsigned char>(c)];
  return out;
}

std::string from_byte_alphabet(std::string_view text) {
  static const std::unordered_map<std::string, char> bytes = [] {
    std::unordered_map<std::string, char> made;
    for (size_t b = 0; b < 256; ++b) made[byte_characters()[b]] = static_cast<char>(b);
    return made;
  }();
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    const std::string character(text.substr(at, length));
    const auto it = bytes.find(character);
    if (it != bytes.end()) {
      out += it->second;
    } else {
      out += character;
    }
    at += length;
  }
  return out;
}

}  // namespace hellora
