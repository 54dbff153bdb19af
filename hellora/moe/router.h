// The router: fp32 softmax over all experts, then top-k (ties to the lower id), then the family's scaling.
// T tokens, E experts, K experts per token.
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora {

struct RouterRule {
  int64_t top_k = 1;
  bool renormalize = false;  // weights divided by their sum
};

struct Routing {
  Tensor logits_TE;   // with history, so that balance losses can use them
  Tensor ids_TK;      // int64, largest probability first
  Tensor weights_TK;  // with history
};

/// logits in fp32 (fp64 in tests).
Routing route(const Tensor& logits_TE, const RouterRule& rule);

}  // namespace hellora
