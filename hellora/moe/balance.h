// Load-balancing loss of the Switch/Mixtral kind as transformers computes it.
#pragma once

#include <span>

#include "hellora/moe/router.h"

namespace hellora {

/// E · Σ_slot Σ_e f[slot,e] · P[e] over the rows of all layers together; equals K when routing is even.
/// f: share of rows whose slot-th choice is e (no gradient); P: mean probability of e. Scalar with history.
Tensor load_balancing_loss(std::span<const Routing> layers);

}  // namespace hellora
