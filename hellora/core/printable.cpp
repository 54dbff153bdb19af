#include "hellora/core/printable.h"

#include <array>
#include <cstdint>
#include <cstdio>

#include "hellora/core/utf8.h"

namespace hellora {
namespace {

/// Controls: C0, DEL, C1.
bool is_control(uint32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

/// Line and paragraph separators, and the marks that change the direction of what follows.
bool is_mark(uint32_t code) {
  return code == 0x061C || (code >= 0x200E && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
         code == 0xFEFF;
}

std::string escape(uint32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  std::array<char, 16> buffer{};
  std::snprintf(buffer.data(), buffer.size(), code < 0x100 ? "\\x%02X" : "\\u%04X", code);
  return buffer.data();
}

template <class Acts>
std::string escaped(std::string_view text, Acts acts) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    const bool broken = !utf8_valid_at(text, at);
    const uint32_t code = broken ? static_cast<unsigned char>(text[at]) : decode_utf8(text, at);
    if (broken || acts(code)) {
      out += escape(code);
    } else {
      out.append(text, at, length);
    }
    at += broken ? 1 : length;
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) {
  return escaped(text, [](uint32_t code) { return is_control(code) || is_mark(code); });
}

std::string printable_lines(std::string_view text) {
  return escaped(text, [](uint32_t code) { return code != '\n' && (is_control(code) || is_mark(code)); });
}

std::string printable_text(std::string_view text) {
  return escaped(text, [](uint32_t code) { return code != '\n' && code != '\t' && is_control(code); });
}

}  // namespace hellora
