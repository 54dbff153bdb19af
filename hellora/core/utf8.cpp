#include "hellora/core/utf8.h"

#include <cstring>
#include <utility>

namespace hellora {
namespace {

struct Lead {
  size_t length = 0;                      // 0: not a lead byte
  unsigned char low = 0x80, high = 0xBF;  // range of the second byte
};

Lead lead_of(unsigned char b) {
  if (b < 0x80) return {1};
  if (b >= 0xC2 && b <= 0xDF) return {2};
  if (b == 0xE0) return {3, 0xA0, 0xBF};
  if (b == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (b >= 0xE1 && b <= 0xEF) return {3};
  if (b == 0xF0) return {4, 0x90, 0xBF};
  if (b >= 0xF1 && b <= 0xF3) return {4};
  if (b == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

/// How many bytes at `at` follow the rules of one character, and whether they complete it.
std::pair<size_t, bool> scan(std::string_view text, size_t at) {
  const Lead lead = lead_of(static_cast<unsigned char>(text[at]));
  if (lead.length == 0) return {1, false};
  size_t good = 1;
  for (; good < lead.length && at + good < text.size(); ++good) {
    const auto b = static_cast<unsigned char>(text[at + good]);
    const unsigned char low = good == 1 ? lead.low : 0x80, high = good == 1 ? lead.high : 0xBF;
    if (b < low || b > high) break;
  }
  return {good, good == lead.length};
}

}  // namespace

std::string encode_utf8(uint32_t c) {
  const auto tail = [](uint32_t bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | (c >> 6)), tail(c)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | (c >> 12)), tail(c >> 6), tail(c)};
  return {static_cast<char>(0xF0 | (c >> 18)), tail(c >> 12), tail(c >> 6), tail(c)};
}

size_t detail::utf8_length_beyond_ascii(std::string_view text, size_t at) {
  const auto [length, whole] = scan(text, at);
  return whole ? length : 1;
}

uint32_t detail::decode_utf8_beyond_ascii(std::string_view text, size_t at) {
  const size_t length = utf8_length(text, at);
  const auto lead = static_cast<unsigned char>(text[at]);
  if (length == 1) return lead;
  uint32_t code = lead & (0xFFU >> (length + 1));
  for (size_t i = 1; i < length; ++i) code = (code << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
  return code;
}

bool utf8_valid_at(std::string_view text, size_t at) { return scan(text, at).second; }

bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (uint64_t eight = 0; at + sizeof eight <= text.size()) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080U) == 0) {  // most texts are ASCII mostly
        at += sizeof eight;
        continue;
      }
    }
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const auto [length, whole] = scan(text, at);
    if (!whole) return false;
    at += length;
  }
  return true;
}

std::string replace_broken_utf8(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const auto [length, whole] = scan(bytes, at);
    out += whole ? bytes.substr(at, length) : std::string_view("\xEF\xBF\xBD");
    at += length;
  }
  return out;
}

size_t utf8_open_tail(std::string_view bytes) {
  for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const size_t at = bytes.size() - back;
    if ((static_cast<unsigned char>(bytes[at]) & 0xC0) == 0x80) continue;
    const auto [length, whole] = scan(bytes, at);
    return !whole && length == back && lead_of(static_cast<unsigned char>(bytes[at])).length > back ? back : 0;
  }
  return 0;
}

}  // namespace hellora
