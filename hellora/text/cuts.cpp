#include "hellora/text/cuts.h"

#include "hellora/core/utf8.h"

namespace hellora {
namespace {

inline bool test(const std::vector<uint64_t>& bits, size_t at) { return ((bits[at / 64] >> (at % 64)) & 1) != 0; }
void set(std::vector<uint64_t>& bits, size_t at) { bits[at / 64] |= uint64_t{1} << (at % 64); }

}  // namespace

inline size_t Cuts::bit_of(uint32_t left, uint32_t right) { return ((left * 0x9E3779B1U) ^ (right * 0x85EBCA6BU)) >> 16; }

inline bool Cuts::may_cut(uint32_t left, uint32_t right) const {
  return left < kCodes && test(known_, left) && !test(joined_, bit_of(left, right));
}

void Cuts::add_known(uint32_t character) {
  if (character < kCodes) set(known_, character);
}

void Cuts::add_joined(uint32_t left, uint32_t right) { set(joined_, bit_of(left, right)); }

template <class Read>
size_t Cuts::scan(std::string_view text, size_t begin, Read&& read) const {
  Utf8Char left = read(begin);
  for (size_t at = begin + left.length; at < text.size();) {
    const Utf8Char right = read(at);
    if (may_cut(left.code, right.code)) return at;
    left = right;
    at += right.length;
  }
  return text.size();
}

size_t Cuts::next(std::string_view text, size_t begin) const {
  if (begin >= text.size()) return text.size();
  if (!byte_level_) return scan(text, begin, [&](size_t at) { return next_utf8(text, at); });
  return scan(text, begin, [&](size_t at) { return Utf8Char{static_cast<unsigned char>(text[at]), 1}; });
}

}  // namespace hellora
