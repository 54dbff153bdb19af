#include <array>

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"
#include "hellora/text/jinja/lexer.h"

namespace hellora::jinja {
namespace {

struct Simple {
  char letter, value;
};
constexpr std::array<Simple, 10> kSimple = {
    {{'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'\\', '\\'}, {'\'', '\''}, {'"', '"'}, {'a', '\a'}, {'b', '\b'}, {'f', '\f'}, {'v', '\v'}}};

int digit_of(char c, int base) {
  int digit = 99;
  if (c >= '0' && c <= '9') digit = c - '0';
  if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
  if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
  return digit < base ? digit : -1;
}

struct Number {
  uint32_t value = 0;
  size_t length = 0;
};

Number read_digits(std::string_view text, int base, size_t most) {
  Number out;
  while (out.length < most && out.length < text.size()) {
    const int digit = digit_of(text[out.length], base);
    if (digit < 0) break;
    out.value = out.value * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
    ++out.length;
  }
  return out;
}

std::string character(uint32_t c, const std::string& where) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) throw FormatError(where + ": a string escape names no character");
  return encode_utf8(c);
}

/// Appends what the escape at `text` (after its backslash) stands for and returns its bytes; 0 for none.
size_t numeric_escape(std::string_view text, std::string& out, const std::string& where) {
  const char letter = text[0];
  if (digit_of(letter, 8) >= 0) {
    const Number octal = read_digits(text, 8, 3);
    out += character(octal.value, where);
    return octal.length;
  }
  if (letter == 'N') throw FormatError(where + ": the escape \\N is not supported");
  const size_t wanted = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
  if (wanted == 0) return 0;
  const Number hex = read_digits(text.substr(1), 16, wanted);
  if (hex.length != wanted) throw FormatError(where + ": a string escape \\" + letter + " needs " + std::to_string(wanted) + " digits");
  out += character(hex.value, where);
  return 1 + wanted;
}

}  // namespace

std::string unescape(std::string_view body, const std::string& where) {
  std::string out;
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\' || i + 1 == body.size()) {
      out += body[i];
      continue;
    }
    const char next = body[++i];
    if (next == '\n') continue;
    bool found = false;
    for (const Simple& simple : kSimple) {
      if (simple.letter != next) continue;
      out += simple.value;
      found = true;
    }
    if (found) continue;
    const size_t length = numeric_escape(body.substr(i), out, where);
    if (length > 0) {
      i += length - 1;
    } else {
      out += '\\';  // an unknown escape stays as it is
      out += next;
    }
  }
  return out;
}

}  // namespace hellora::jinja
