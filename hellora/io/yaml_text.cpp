#include "hellora/io/yaml_text.h"

#include <array>
#include <cstdio>

namespace hellora {
namespace {

/// Words that YAML reads as nothing at all.
bool means_null(const std::string& text) { return text == "null" || text == "Null" || text == "NULL" || text == "~"; }

/// Letters, digits, what is usual in paths and numbers, and all beyond ASCII; a dash not at the front, a space only inside.
bool is_plain(const std::string& text) {
  if (text.empty() || text.front() == '-' || text.front() == ' ' || text.back() == ' ' || means_null(text)) return false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool word = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte >= 0x80;
    if (!word && std::string_view("_./+-~= ").find(c) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace

std::string yaml_text(const std::string& text) {
  if (is_plain(text)) return text;
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      std::array<char, 8> hex{};
      std::snprintf(hex.data(), hex.size(), "\\x%02X", static_cast<unsigned>(byte));
      out += hex.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace hellora
