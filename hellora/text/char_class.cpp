#include "hellora/text/char_class.h"

#include <string>

#include "hellora/core/utf8.h"
#include "hellora/text/pattern.h"
#include "hellora/text/regex.h"

namespace hellora {
namespace {

constexpr uint32_t kCodes = 0x110000, kSurrogates = 0xD800, kAfterSurrogates = 0xE000;

/// Every character in order. Asking the patterns keeps the table right whatever Unicode version PCRE2 has.
std::vector<CharClass> ask_patterns() {
  std::string all;
  for (uint32_t code = 0; code < kCodes; ++code) {
    if (code == kSurrogates) code = kAfterSurrogates;
    all += encode_utf8(code);
  }
  std::vector<CharClass> classes(kCodes, CharClass::other);
  const auto mark = [&](const char* pattern, CharClass kind) {
    Regex(to_pcre2(pattern, "classes"), "classes").for_each_match(all, [&](size_t begin, size_t end) {
      for (size_t at = begin; at < end; at += utf8_length(all, at)) classes[decode_utf8(all, at)] = kind;
    });
  };
  mark("\\p{L}+", CharClass::letter);
  mark("\\p{N}+", CharClass::number);
  mark("\\s+", CharClass::space);
  return classes;
}

}  // namespace

const std::vector<CharClass>& char_classes() {
  static const std::vector<CharClass> classes = ask_patterns();
  return classes;
}

ClassedChar detail::classed_beyond_ascii(std::string_view text, size_t at) {
  static const std::vector<CharClass>& classes = char_classes();
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i])); };
  const auto tail = [&](size_t i) { return byte(i) & 0x3F; };
  if (byte(0) < 0xE0) return {classes[((byte(0) & 0x1F) << 6) | tail(1)], 2};
  if (byte(0) < 0xF0) return {classes[((byte(0) & 0x0F) << 12) | (tail(1) << 6) | tail(2)], 3};
  return {classes[((byte(0) & 0x07) << 18) | (tail(1) << 12) | (tail(2) << 6) | tail(3)], 4};
}

}  // namespace hellora
