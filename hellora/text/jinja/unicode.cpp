#include "hellora/text/jinja/unicode.h"

#include <utf8proc.h>

#include "hellora/core/utf8.h"

namespace hellora::jinja {
namespace {

enum class Case : uint8_t { upper, lower, title };

utf8proc_category_t category(uint32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

/// One character for one: those whose case has several characters, such as ß, stay as they are.
std::string map_character(uint32_t c, Case to) {
  if (c < 0x80) {
    if (to == Case::lower) return {static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c)};
    return {static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c)};
  }
  const auto from = static_cast<utf8proc_int32_t>(c);
  const auto mapped = to == Case::upper ? utf8proc_toupper(from) : to == Case::lower ? utf8proc_tolower(from) : utf8proc_totitle(from);
  return encode_utf8(static_cast<uint32_t>(mapped));
}

std::vector<uint32_t> code_points(std::string_view text) {
  std::vector<uint32_t> out;
  for (size_t at = 0; at < text.size(); at += utf8_length(text, at)) out.push_back(code_point_at(text, at));
  return out;
}

/// `choose(position)` says which case the character there takes.
template <class Choose>
std::string map_text(std::string_view text, Choose&& choose) {
  const std::vector<uint32_t> points = code_points(text);
  std::string out;
  for (size_t i = 0; i < points.size(); ++i) {
    out += map_character(points[i], choose(points, i));
  }
  return out;
}

using Points = std::vector<uint32_t>;

}  // namespace

uint32_t code_point_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i])); };
  switch (utf8_length(text, at)) {
    case 2: return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3: return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    case 4: return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    default: return byte(0);
  }
}

int64_t count_characters(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < text.size(); at += out.back().size()) out.push_back(text.substr(at, utf8_length(text, at)));
  return out;
}

bool is_space(uint32_t c) {
  if (c < 0x80) return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool is_printable(uint32_t c) {
  if (c < 0x7F) return c >= 0x20;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
  }
}

bool is_cased(uint32_t c) {
  const utf8proc_category_t kind = category(c);
  if (kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL || kind == UTF8PROC_CATEGORY_LT) return true;
  const auto point = static_cast<utf8proc_int32_t>(c);
  return utf8proc_toupper(point) != point || utf8proc_tolower(point) != point || c == 0xAA || c == 0xBA;
}

std::string_view strip(std::string_view text, std::optional<std::string_view> set, Side side) {
  const auto goes = [&](size_t at, size_t length) {
    return set ? set->find(text.substr(at, length)) != std::string_view::npos : is_space(code_point_at(text, at));
  };
  size_t begin = 0, end = text.size();
  while (side != Side::right && begin < end && goes(begin, utf8_length(text, begin))) begin += utf8_length(text, begin);
  while (side != Side::left && end > begin) {
    size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (!goes(last, end - last)) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> out;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const uint32_t c = code_point_at(text, at);
    size_t next = at + utf8_length(text, at);
    const bool breaks = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (breaks) {
      out.push_back(text.substr(start, at - start));
      if (c == '\r' && next < text.size() && text[next] == '\n') ++next;
      start = next;
    }
    at = next;
  }
  if (start < text.size()) out.push_back(text.substr(start));
  return out;
}

std::string upper(std::string_view text) {
  return map_text(text, [](const Points&, size_t) { return Case::upper; });
}

std::string lower(std::string_view text) {
  return map_text(text, [](const Points&, size_t) { return Case::lower; });
}

std::string capitalize(std::string_view text) {
  return map_text(text, [](const Points&, size_t i) { return i == 0 ? Case::title : Case::lower; });
}

std::string title(std::string_view text) {
  return map_text(text, [](const Points& points, size_t i) { return i > 0 && is_cased(points[i - 1]) ? Case::lower : Case::title; });
}

}  // namespace hellora::jinja
