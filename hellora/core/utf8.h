// UTF-8: characters, validity, replacement of broken sequences.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hellora {

std::string encode_utf8(uint32_t code_point);
namespace detail {
size_t utf8_length_beyond_ascii(std::string_view text, size_t at);
uint32_t decode_utf8_beyond_ascii(std::string_view text, size_t at);
}  // namespace detail

/// Bytes of the well-formed character at `at`; 1 for a byte that begins none.
inline size_t utf8_length(std::string_view text, size_t at) {
  return static_cast<unsigned char>(text[at]) < 0x80 ? 1 : detail::utf8_length_beyond_ascii(text, at);
}
/// The code point of the well-formed character at `at`; the byte itself where none begins.
inline uint32_t decode_utf8(std::string_view text, size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  return byte < 0x80 ? byte : detail::decode_utf8_beyond_ascii(text, at);
}
struct Utf8Char {
  uint32_t code;
  uint32_t length;
};
/// Both at once, where the text is known to be valid.
inline Utf8Char next_utf8(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i])); };
  const auto tail = [&](size_t i) { return byte(i) & 0x3F; };
  if (byte(0) < 0x80) return {byte(0), 1};
  if (byte(0) < 0xE0) return {((byte(0) & 0x1F) << 6) | tail(1), 2};
  if (byte(0) < 0xF0) return {((byte(0) & 0x0F) << 12) | (tail(1) << 6) | tail(2), 3};
  return {((byte(0) & 0x07) << 18) | (tail(1) << 12) | (tail(2) << 6) | tail(3), 4};
}
/// True when text[at…] begins a well-formed character.
bool utf8_valid_at(std::string_view text, size_t at);
/// True for well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);
/// Each maximal broken sequence becomes U+FFFD, as Rust's from_utf8_lossy does.
std::string replace_broken_utf8(std::string_view bytes);
/// How many bytes at the end are the beginning of a character that more bytes could complete (0 to 3).
size_t utf8_open_tail(std::string_view bytes);

/// The three bytes that some editors put before UTF-8 text.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace hellora
