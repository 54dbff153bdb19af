// A fast 64-bit content hash: detects change, promises no secrecy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hellora {

/// Four independent lanes of multiply-and-mix over 8-byte words; `seed` chains several pieces.
uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed = 0);
uint64_t hash_string(std::string_view text, uint64_t seed = 0);
/// 16 hexadecimal digits.
std::string hex64(uint64_t value);

}  // namespace hellora
