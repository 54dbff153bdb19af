// Inside of the safetensors reader and writer: dtype names, sizes and the format's limits.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "hellora/io/safetensors.h"

namespace hellora {

inline constexpr size_t kHeaderPrefix = 8;           // bytes of the header length
inline constexpr uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit

/// FormatError that lists what is accepted.
Dtype parse_dtype(const std::string& name, const std::string& where);

/// Bytes of a tensor; FormatError for a negative dimension or a size that does not fit into 63 bits.
uint64_t checked_size(std::span<const int64_t> shape, Dtype dtype, const std::string& where);

}  // namespace hellora
