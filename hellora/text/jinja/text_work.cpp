#include "hellora/text/jinja/text_work.h"

#include <charconv>
#include <cmath>

#include "hellora/text/jinja/unicode.h"

namespace hellora::jinja {
namespace {

char lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// Without white space around it and without underscores between digits; nullopt when those are misplaced.
std::optional<std::string> plain_digits(std::string_view text) {
  text = strip(text, std::nullopt);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto alnum = [&](size_t at) { return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0; };
    if (text[i] != '_') {
      out += lower_ascii(text[i]);
    } else if (i == 0 || !alnum(i - 1) || !alnum(i + 1)) {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace

std::string replaced(Machine& machine, std::string_view text, std::string_view old, std::string_view with, int64_t count) {
  const auto more = [&] { return count != 0; };
  const auto put = [&](std::string& out) {
    out += with;
    if (count > 0) --count;
    machine.reserve(static_cast<int64_t>(out.size()));
  };
  std::string out;
  size_t at = 0;
  machine.tick(static_cast<int64_t>(text.size() / 64));
  if (old.empty()) {  // before every character and at the end
    for (const std::string_view one : characters(text)) {
      if (more()) put(out);
      out += one;
    }
    if (more()) put(out);
    return out;
  }
  for (size_t found = text.find(old); found != std::string_view::npos && more(); found = text.find(old, at)) {
    out += text.substr(at, found - at);
    put(out);
    at = found + old.size();
  }
  return out += text.substr(at);
}

std::optional<int64_t> parse_integer(const Machine& machine, std::string_view text, int base) {
  const std::optional<std::string> plain = plain_digits(text);
  if (!plain) return std::nullopt;
  std::string_view digits = *plain;
  const bool minus = digits.starts_with('-');
  if (minus || digits.starts_with('+')) digits.remove_prefix(1);
  constexpr std::pair<std::string_view, int> kPrefixes[] = {{"0x", 16}, {"0o", 8}, {"0b", 2}};
  bool prefixed = false;
  for (const auto& [prefix, its_base] : kPrefixes) {
    if (!digits.starts_with(prefix) || (base != 0 && base != its_base)) continue;
    digits.remove_prefix(2);
    base = its_base;
    prefixed = true;
    break;
  }
  if (base == 0) {
    if (!prefixed && digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of('0') != std::string_view::npos) return std::nullopt;
    base = 10;
  }
  if (base < 2 || base > 36) machine.fail("int: base must be 0 or from 2 to 36");
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  std::string whole(digits);
  if (minus) whole.insert(whole.begin(), '-');
  int64_t value = 0;
  const auto result = std::from_chars(whole.data(), whole.data() + whole.size(), value, base);
  if (result.ptr != whole.data() + whole.size()) return std::nullopt;
  if (result.ec != std::errc()) machine.fail("int: " + whole + " does not fit into 64 signed bits");
  return value;
}

std::optional<double> parse_number(std::string_view text) {
  const std::optional<std::string> plain = plain_digits(text);
  if (!plain) return std::nullopt;
  std::string_view digits = *plain;
  const bool minus = digits.starts_with('-');
  if (minus || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  if (digits.starts_with("nan") && digits != "nan") return std::nullopt;  // nan(payload)
  double value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ptr != digits.data() + digits.size()) return std::nullopt;
  if (result.ec != std::errc()) {  // too large or too small: Python takes infinity and zero
    const size_t mark = digits.find('e');
    const bool tiny = mark != std::string_view::npos && digits.substr(mark).find('-') != std::string_view::npos;
    value = tiny ? 0.0 : INFINITY;
  }
  return minus ? -value : value;
}

}  // namespace hellora::jinja
