// The shape of a decoder as its config.json tells it: numbers only, nothing about names or files.
#pragma once

#include <cstdint>
#include <string>

#include "hellora/moe/router.h"

namespace hellora {

struct ModelShape {
  std::string arch;  // row of the architecture table
  int64_t vocab = 0, hidden = 0, layers = 0;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t max_positions = 0;
  double rms_eps = 1e-5, rope_theta = 10000;
  double clip_qkv = 0;         // 0: none
  bool qk_norm_whole = false;  // one norm over the whole q and k vectors, before heads and rope
  bool tied_embeddings = false;
  int64_t experts = 0, expert_width = 0;
  RouterRule router;
  double aux_loss = 0;  // coefficient of the balance loss that the config names

  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
};

}  // namespace hellora
