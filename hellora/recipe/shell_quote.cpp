#include "hellora/recipe/shell_quote.h"

#include "hellora/core/printable.h"

namespace hellora {
namespace {

constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";

/// Bytes outside printable ASCII in octal: what bash, zsh and ksh read.
std::string ansi_quote(const std::string& word) {
  std::string out = "$'";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    } else {
      out += '\\';
      out += static_cast<char>('0' + byte / 64);
      out += static_cast<char>('0' + byte / 8 % 8);
      out += static_cast<char>('0' + byte % 8);
    }
  }
  return out + "'";
}

}  // namespace

std::string shell_quote(const std::string& word) {
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  if (printable(word) != word) return ansi_quote(word);
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string shell_path(const Path& path) {
  const std::string text = path.string();
  return shell_quote(text.starts_with('-') ? "./" + text : text);
}

}  // namespace hellora
