// The router: fp32 softmax over all experts, top-k (ties to the lower id) of all or of the best groups, then the family's scaling.
// T tokens, E experts, K experts per token.
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora {

/// Which balance loss the family was trained with (moe/balance.h).
enum class Balance : uint8_t { pooled, per_layer, per_sequence };

struct RouterRule {
  int64_t top_k = 1;
  bool renormalize = false;            // weights divided by their sum
  double scale = 1;                    // of the weights, after that
  int64_t groups = 1, top_groups = 1;  // experts of the top_groups groups with the largest best expert may be chosen; 1: of all
  Balance balance = Balance::pooled;
};

struct Routing {
  Tensor logits_TE;   // with history, so that balance losses can use them
  Tensor ids_TK;      // int64, largest probability first
  Tensor weights_TK;  // with history
};

/// logits in fp32 (fp64 in tests).
Routing route(const Tensor& logits_TE, const RouterRule& rule);

}  // namespace hellora
