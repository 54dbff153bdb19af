// Tensors of a checkpoint that a decoder does not compute with: which are harmless, and the stored copy of a tied head.
#pragma once

#include <string_view>

#include "hellora/io/checkpoint.h"
#include "hellora/model/arch.h"

namespace hellora {

/// Buffers that older versions of transformers saved with the weights and every version computes anew: frequencies and tables of
/// rope, causal masks, position numbers.
bool is_harmless_tensor(std::string_view name);

/// FormatError when config.json ties the head to the embedding and the checkpoint holds a head of other values: one of the two is
/// wrong. An equal one is of no use and does no harm.
void check_tied_head(const Checkpoint& checkpoint, const ModelShape& shape);

}  // namespace hellora
