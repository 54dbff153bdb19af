// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): a narrow latent per token stands for the keys and values of all
// heads; the cache holds only it and the shared rotary part of the key.
#pragma once

#include "hellora/model/attention.h"

namespace hellora {

/// x_TD is the normed input.
Tensor latent_attention(const Tensor& x_TD, const AttentionBlock& block);

}  // namespace hellora
