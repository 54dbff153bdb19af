// The shape of a decoder as its config.json tells it: numbers only, nothing about names or files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "hellora/model/rope.h"
#include "hellora/moe/router.h"

namespace hellora {

/// Norms of queries and keys before rope.
enum class QkNorm : uint8_t { none, whole, per_head };  // whole: over all heads together

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): keys and values come from a latent of `kv_rank` values, position
/// from `rope` further ones that all heads share.
struct LatentShape {
  int64_t q_rank = 0;  // 0: queries straight from the hidden state
  int64_t kv_rank = 0;
  int64_t nope = 0, rope = 0, value = 0;  // widths of one head: without position, with it, of values
};

struct ModelShape {
  std::string arch;  // row of the architecture table
  int64_t vocab = 0, hidden = 0, layers = 0;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;  // head_dim: of queries and keys
  int64_t max_positions = 0;
  double rms_eps = 1e-5;
  RopeRule rope;
  double attention_scale = 0;  // of the scores; 0: 1 / sqrt(head_dim)
  int64_t window = 0;          // a position sees itself and window - 1 before it; 0: all before it
  double clip_qkv = 0;         // 0: none
  QkNorm qk_norm = QkNorm::none;
  bool qkv_bias = false, o_bias = false;
  LatentShape latent;
  bool tied_embeddings = false;
  int64_t experts = 0, expert_width = 0;  // 0 experts: a dense model
  RouterRule router;
  double aux_loss = 0;                // coefficient of the balance loss that the config names
  std::vector<int64_t> dense_layers;  // ascending: layers with one MLP of dense_width in place of experts
  int64_t dense_width = 0;
  int64_t shared_width = 0;   // of the MLP that every token passes beside its experts; 0: none
  bool shared_gated = false;  // times sigmoid(x · w)

  bool has_latent() const { return latent.kv_rank > 0; }
  bool routed(int64_t layer) const { return experts > 0 && !std::binary_search(dense_layers.begin(), dense_layers.end(), layer); }
  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
  int64_t o_width() const { return heads * (has_latent() ? latent.value : head_dim); }  // what the output projection reads
  int64_t rope_width() const { return has_latent() ? latent.rope : head_dim; }
};

/// Layers with a router, ascending.
inline std::vector<int64_t> routed_layers(const ModelShape& shape) {
  std::vector<int64_t> layers;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    if (shape.routed(layer)) layers.push_back(layer);
  }
  return layers;
}

}  // namespace hellora
