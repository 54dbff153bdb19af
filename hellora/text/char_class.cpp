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
  const Utf8Char next = next_utf8(text, at);
  return {classes[next.code], static_cast<uint8_t>(next.length)};
}

}  // namespace hellora
