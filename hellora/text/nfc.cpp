#include "hellora/text/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <vector>

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"
#include "hellora/text/unicode_newer.h"

namespace hellora {
namespace {

// Combining characters that the reference's composition takes for unassigned: neither reordered nor composed. Derived by comparing
// it with utf8proc on every character beside combining ones, and on every pair that composes (U+11930 is the second of one).
constexpr auto kNewMarks = std::to_array<CodeRange>(
    {{0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},     {0xC3C, 0xC3C},     {0xD3B, 0xD3C},
     {0xEBA, 0xEBA},     {0x1715, 0x1715},   {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27},
     {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B},
     {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
     {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97},
     {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
     {0x1E4EC, 0x1E4EF}});

bool is_new_mark(uint32_t code) {
  const auto* const after =
      std::upper_bound(kNewMarks.begin(), kNewMarks.end(), code, [](uint32_t c, const CodeRange& range) { return c < range.first; });
  return after != kNewMarks.begin() && code <= (after - 1)->last;
}

constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);

[[noreturn]] void fail(utf8proc_ssize_t error) { throw DataError(std::string("text cannot be normalised: ") + utf8proc_errmsg(error)); }

uint8_t combining_class(utf8proc_int32_t code) { return static_cast<uint8_t>(utf8proc_get_property(code)->combining_class); }

/// Each character in its parts.
std::vector<utf8proc_int32_t> decompose(std::string_view text) {
  std::vector<utf8proc_int32_t> codes;
  std::array<utf8proc_int32_t, 32> parts;  // the longest canonical decomposition has 4
  codes.reserve(text.size() / 2);
  for (size_t at = 0; at < text.size();) {
    const Utf8Char next = next_utf8(text, at);
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(next.code), parts.data(), parts.size(), kOptions, nullptr);
    if (count < 0) fail(count);
    codes.insert(codes.end(), parts.begin(), parts.begin() + count);
    at += next.length;
  }
  return codes;
}

/// The canonical order of a run of combining characters: stable by class, counted, so that it takes linear time. utf8proc's own
/// exchange of neighbours takes quadratic time, minutes for one hostile line.
void order_run(std::span<utf8proc_int32_t> run) {
  const auto before = [](utf8proc_int32_t a, utf8proc_int32_t b) { return combining_class(a) < combining_class(b); };
  if (std::is_sorted(run.begin(), run.end(), before)) return;
  std::array<size_t, 257> place{};
  for (const utf8proc_int32_t code : run) ++place[combining_class(code) + size_t{1}];
  std::partial_sum(place.begin(), place.end(), place.begin());
  std::vector<utf8proc_int32_t> ordered(run.size());
  for (const utf8proc_int32_t code : run) ordered[place[combining_class(code)]++] = code;
  std::copy(ordered.begin(), ordered.end(), run.begin());
}

void order_marks(std::span<utf8proc_int32_t> codes) {
  for (size_t at = 0; at < codes.size();) {
    size_t end = at;
    while (end < codes.size() && combining_class(codes[end]) != 0) ++end;
    if (end > at + 1) order_run(codes.subspan(at, end - at));
    at = end + 1;
  }
}

void compose(std::string_view text, std::string& out) {
  if (text.empty()) return;
  std::vector<utf8proc_int32_t> codes = decompose(text);
  order_marks(codes);
  const auto size = utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()), kOptions);
  if (size < 0) fail(size);
  for (utf8proc_ssize_t i = 0; i < size; ++i) out += encode_utf8(static_cast<uint32_t>(codes[static_cast<size_t>(i)]));
}

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

/// A stretch without ASCII characters, but for the first.
void compose_stretch(std::string_view text, std::string& out) {
  bool plain = true;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    const uint32_t code = decode_utf8(text, at);
    plain = plain && code < 0x300;  // the first combining character; what is below is composed already
    if (is_new_mark(code)) {
      compose(text.substr(done, at - done), out);
      out += text.substr(at, length);
      done = at + length;
    }
    at += length;
  }
  if (plain) {
    out += text;
  } else {
    compose(text.substr(done), out);
  }
}

}  // namespace

std::string nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  // Nothing composes across the left side of an ASCII character, so the stretches between them are independent.
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && is_ascii(text[end])) ++end;
    const size_t base = end < text.size() && end > at ? end - 1 : end;  // a mark may follow it
    out += text.substr(at, base - at);
    while (end < text.size() && !is_ascii(text[end])) ++end;
    compose_stretch(text.substr(base, end - base), out);
    at = end;
  }
  return out;
}

}  // namespace hellora
