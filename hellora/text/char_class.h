// Letter, number, white space or none of them, by table: what the patterns of byte-level tokenizers ask of a character.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hellora {

enum class CharClass : uint8_t { other, letter, number, space };

struct ClassedChar {
  CharClass kind;
  uint8_t length;  // bytes
};

/// By code point, with the members that \p{L}, \p{N} and \s have in a pattern (text/pattern.h). Made on first use, from those patterns.
const std::vector<CharClass>& char_classes();

namespace detail {
constexpr std::array<CharClass, 128> kAsciiClasses = [] {
  std::array<CharClass, 128> classes{};
  for (size_t c = 0; c < classes.size(); ++c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) classes[c] = CharClass::letter;
    if (c >= '0' && c <= '9') classes[c] = CharClass::number;
    if ((c >= '\t' && c <= '\r') || c == ' ') classes[c] = CharClass::space;
  }
  return classes;
}();
ClassedChar classed_beyond_ascii(std::string_view text, size_t at);
}  // namespace detail

/// Of the character at `at`. The text must be valid UTF-8.
inline ClassedChar classed_char(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return {detail::kAsciiClasses[lead], 1};
  return detail::classed_beyond_ascii(text, at);
}

}  // namespace hellora
