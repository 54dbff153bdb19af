// The weights of a GGUF file as model.safetensors: dequantised, in the hub's order of rows, one tensor at a time.
#pragma once

#include <span>

#include "hellora/model/gguf/places.h"

namespace hellora {

/// In bf16 (to nearest, ties to even) or fp32. CheckFailed names a tensor and row that hold a value that is not finite, or that is
/// beyond bf16.
void write_gguf_weights(const GgufFile& file, std::span<const GgufPlace> places, const Path& out, bool fp32);

/// Where row `row` of a tensor with pairs (2j, 2j + 1) in each head of `head` rows stands in the hub's order: (j, j + head / 2).
constexpr int64_t unpaired_row(int64_t row, int64_t head) {
  const int64_t inside = row % head;
  return row - inside + inside % 2 * (head / 2) + inside / 2;
}

}  // namespace hellora
