// UTF-8: characters, validity, replacement of broken sequences.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hellora {

std::string encode_utf8(uint32_t code_point);
/// Bytes of the well-formed character at `at`; 1 for a byte that begins none.
size_t utf8_length(std::string_view text, size_t at);
/// The code point of the well-formed character at `at`; the byte itself where none begins.
uint32_t decode_utf8(std::string_view text, size_t at);
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
