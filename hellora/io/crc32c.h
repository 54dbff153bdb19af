// CRC-32C (Castagnoli) and the masked form that TFRecord files carry.
#pragma once

#include <cstdint>
#include <string_view>

namespace hellora {

/// CRC-32C of `bytes` (reflected polynomial 0x82F63B78, RFC 3720 section 12.1); the check value of "123456789" is 0xE3069283.
uint32_t crc32c(std::string_view bytes);

/// Rotated right by 15 and shifted by a constant, so that a sum over data that holds sums stays useful (the TFRecord framing).
uint32_t masked_crc32c(std::string_view bytes);

}  // namespace hellora
