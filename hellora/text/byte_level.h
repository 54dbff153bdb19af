// GPT-2's byte alphabet: every byte as a printable character, so that BPE works on text.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace hellora {

/// The UTF-8 character that stands for each byte.
const std::array<std::string, 256>& byte_characters();
/// Bytes as alphabet characters.
std::string to_byte_alphabet(std::string_view bytes);
/// The inverse; characters outside the alphabet are kept as their own UTF-8 bytes.
std::string from_byte_alphabet(std::string_view text);
/// The bytes that a token stands for: one with a character outside the alphabet stands for itself, as in the reference.
std::string bytes_of_token(std::string_view token);

}  // namespace hellora
