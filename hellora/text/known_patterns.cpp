#include "hellora/text/known_patterns.h"

#include <array>

#include "hellora/text/char_class.h"

namespace hellora {
namespace {

/// The end of the characters of one class from `at` on, at most `most` of them.
size_t run_end(std::string_view text, size_t at, CharClass kind, size_t most = SIZE_MAX) {
  for (; at < text.size() && most > 0; --most) {
    const ClassedChar next = classed_char(text, at);
    if (next.kind != kind) break;
    at += next.length;
  }
  return at;
}

constexpr bool is_line_end(char c) { return c == '\r' || c == '\n'; }

bool has(std::string_view text, size_t at, CharClass kind) { return at < text.size() && classed_char(text, at).kind == kind; }

/// How many bytes after an apostrophe are s, t, m, d, re, ve or ll. Without case ſ (U+017F) is an s.
size_t contraction(std::string_view after, bool any_case) {
  const auto lower = [&](size_t i) {
    return static_cast<char>(any_case && after[i] >= 'A' && after[i] <= 'Z' ? after[i] | 0x20 : after[i]);
  };
  if (after.empty()) return 0;
  const char first = lower(0);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 1;
  if (any_case && after.starts_with("\u017F")) return 2;
  if (after.size() < 2) return 0;
  const char second = lower(1);
  return ((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l') ? 2 : 0;
}

/// \s+(?!\S)|\s+ from a white-space character on, with `end` where white space ends: all of it at the end of the text, else all but its
/// last character, which the next match begins with, or that character where it is alone.
size_t space_end(std::string_view text, size_t at, size_t end) {
  if (end == text.size()) return end;
  size_t last = end - 1;
  while ((static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
  return last > at ? last : end;
}

size_t scan_gpt2(std::string_view text, size_t at) {
  if (text[at] == '\'') {
    if (const size_t count = contraction(text.substr(at + 1), false); count > 0) return at + 1 + count;
  }
  const ClassedChar first = classed_char(text, at);
  if (first.kind != CharClass::space) return run_end(text, at + first.length, first.kind);
  if (text[at] == ' ' && at + 1 < text.size()) {
    const ClassedChar next = classed_char(text, at + 1);
    if (next.kind != CharClass::space) return run_end(text, at + 1 + next.length, next.kind);
  }
  return space_end(text, at, run_end(text, at, CharClass::space));
}

/// The pattern of cl100k (tiktoken) as Qwen and Llama 3 have it; they differ in how many numbers stand together.
template <size_t kNumbers>
size_t scan_cl100k(std::string_view text, size_t at) {
  if (text[at] == '\'') {
    if (const size_t count = contraction(text.substr(at + 1), true); count > 0) return at + 1 + count;
  }
  const ClassedChar first = classed_char(text, at);
  const size_t after = at + first.length;
  if (first.kind == CharClass::letter) return run_end(text, after, CharClass::letter);
  if (first.kind == CharClass::number) return run_end(text, after, CharClass::number, kNumbers - 1);
  if (!is_line_end(text[at]) && has(text, after, CharClass::letter)) return run_end(text, after, CharClass::letter);
  if (first.kind == CharClass::other || (text[at] == ' ' && has(text, after, CharClass::other))) {
    size_t end = run_end(text, after, CharClass::other);
    while (end < text.size() && is_line_end(text[end])) ++end;
    return end;
  }
  const size_t end = run_end(text, after, CharClass::space);
  for (size_t last = end; last > at; --last) {
    if (is_line_end(text[last - 1])) return last;  // \s*[\r\n]+
  }
  return space_end(text, at, end);
}

constexpr std::array<KnownPattern, 3> kKnown = {{
    {kGpt2Pattern, scan_gpt2},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", scan_cl100k<1>},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     scan_cl100k<3>},
}};

}  // namespace

std::span<const KnownPattern> known_patterns() { return kKnown; }

Scanner find_scanner(std::string_view pattern) {
  for (const KnownPattern& one : kKnown) {
    if (one.pattern == pattern) return one.scan;
  }
  return nullptr;
}

}  // namespace hellora
