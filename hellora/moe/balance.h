// Load-balancing losses as the families were trained with them.
#pragma once

#include <span>

#include "hellora/moe/router.h"

namespace hellora {

/// Rows [start, start + length) of one sequence.
struct SequenceRows {
  int64_t start = 0, length = 0;
};

/// The loss of the rule's kind, with history:
///   pooled        E · Σ_slot Σ_e f[slot,e] · P[e] over the rows of all layers together, as transformers has it; K when even.
///   per_layer     E · Σ_e f[e] · P[e] / K per layer, summed over layers (DeepSeek, seq_aux false); 1 per layer when even.
///   per_sequence  the same over each sequence alone, mean over sequences, summed over layers (DeepSeek, seq_aux true).
/// f: how often e is chosen per row (no gradient); P: mean probability of e.
Tensor balance_loss(Balance kind, std::span<const Routing> layers, std::span<const SequenceRows> sequences);

/// Balance::pooled.
Tensor load_balancing_loss(std::span<const Routing> layers);

}  // namespace hellora
