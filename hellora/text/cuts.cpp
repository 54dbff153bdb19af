#include "hellora/text/cuts.h"

#include "hellora/core/utf8.h"

namespace hellora {
namespace {

bool test(const std::vector<uint64_t>& bits, size_t at) { return ((bits[at / 64] >> (at % 64)) & 1) != 0; }
void set(std::vector<uint64_t>& bits, size_t at) { bits[at / 64] |= uint64_t{1} << (at % 64); }

}  // namespace

size_t Cuts::bit_of(uint32_t left, uint32_t right) { return ((left * 0x9E3779B1U) ^ (right * 0x85EBCA6BU)) >> 16; }

bool Cuts::may_cut(uint32_t left, uint32_t right) const {
  return left < kCodes && test(known_, left) && !test(joined_, bit_of(left, right));
}

void Cuts::add_known(uint32_t character) {
  if (character < kCodes) set(known_, character);
}

void Cuts::add_joined(uint32_t left, uint32_t right) { set(joined_, bit_of(left, right)); }

size_t Cuts::next(std::string_view text, size_t begin) const {
  const auto character = [&](size_t at) { return byte_level_ ? static_cast<unsigned char>(text[at]) : decode_utf8(text, at); };
  const auto length = [&](size_t at) { return byte_level_ ? 1 : utf8_length(text, at); };
  if (begin >= text.size()) return text.size();
  uint32_t left = character(begin);
  for (size_t at = begin + length(begin); at < text.size(); at += length(at)) {
    const uint32_t right = character(at);
    if (may_cut(left, right)) return at;
    left = right;
  }
  return text.size();
}

}  // namespace hellora
