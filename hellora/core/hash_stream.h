// The content hash of core/hash.h for bytes that come in parts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hellora {

/// Gives hash_bytes(all parts together, seed), however they are cut.
class HashStream {
 public:
  explicit HashStream(uint64_t seed);
  void add(std::span<const std::byte> bytes);
  uint64_t value() const;

 private:
  static constexpr size_t kBlock = 32;
  void block(const std::byte* bytes);

  std::array<uint64_t, 4> lane_;
  std::array<std::byte, kBlock> rest_{};  // what does not fill a block yet
  size_t held_ = 0;
  uint64_t size_ = 0;
};

}  // namespace hellora
