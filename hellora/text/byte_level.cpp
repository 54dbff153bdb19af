#include "hellora/text/byte_level.h"

#include "hellora/core/utf8.h"

namespace hellora {
namespace {

constexpr size_t kAlphabetEnd = 256 + 68;  // Latin-1, and one character for each byte that is not printable there

/// The byte that a code point stands for; -1 outside the alphabet.
int byte_of(uint32_t code) {
  static const std::array<int16_t, kAlphabetEnd> bytes = [] {
    std::array<int16_t, kAlphabetEnd> made{};
    made.fill(-1);
    for (size_t b = 0; b < 256; ++b) made[decode_utf8(byte_characters()[b], 0)] = static_cast<int16_t>(b);
    return made;
  }();
  return code < kAlphabetEnd ? bytes[code] : -1;
}

}  // namespace

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
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    const int byte = byte_of(decode_utf8(text, at));
    if (byte >= 0) {
      out += static_cast<char>(byte);
    } else {
      out += text.substr(at, length);
    }
    at += length;
  }
  return out;
}

std::string bytes_of_token(std::string_view token) {
  for (size_t at = 0; at < token.size(); at += utf8_length(token, at)) {
    if (byte_of(decode_utf8(token, at)) < 0) return std::string(token);
  }
  return from_byte_alphabet(token);
}

}  // namespace hellora
