// The types of GGUF tensors: how many elements a block has, and how many bytes (github.com/ggml-org/ggml, docs/gguf.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hellora {

/// The numbers are those of the file.
enum class GgufType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

struct GgufBlock {
  GgufType type;
  std::string_view name;
  int64_t elements;  // of a block; rows are whole blocks
  size_t bytes;
};

/// FormatError names a type that is not read, and those that are.
const GgufBlock& find_block(uint32_t type, const std::string& where);
const GgufBlock& block_of(GgufType type);

}  // namespace hellora
