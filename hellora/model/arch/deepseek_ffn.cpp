#include "hellora/model/arch/deepseek_ffn.h"

#include "hellora/core/error.h"

namespace hellora {

void read_deepseek_ffn(JsonObject& config, ModelShape& shape) {
  shape.dense_width = config.integer("intermediate_size", 1, kMaxWidth);
  shape.expert_width = config.integer("moe_intermediate_size", 1, kMaxWidth);
  shape.experts = spelled(config, {"n_routed_experts", "num_local_experts", "num_experts"}, 1, kMaxExperts);
  shape.shared_width = config.integer_or("n_shared_experts", 0, 0, 1024) * shape.expert_width;
  const int64_t first = config.integer_or("first_k_dense_replace", 0, 0, kMaxLayers);
  const int64_t every = config.integer_or("moe_layer_freq", 1, 1, kMaxLayers);
  shape.dense_layers = dense_layers(shape.layers, [&](int64_t layer) { return layer < first || layer % every != 0; });
  if (static_cast<int64_t>(shape.dense_layers.size()) == shape.layers)
    throw FormatError(config.where() + ": first_k_dense_replace leaves no layer with experts");
  shape.router.top_k = config.integer("num_experts_per_tok", 1, shape.experts);
  shape.router.renormalize = config.flag_or("norm_topk_prob", false) && shape.router.top_k > 1;
  config.choice_or("scoring_func", "softmax", {"softmax"});
  shape.aux_loss = config.number_or("aux_loss_alpha", 0.001, 0, 1e6);
  shape.router.balance = config.flag_or("seq_aux", true) ? Balance::per_sequence : Balance::per_layer;
}

void write_deepseek_ffn(const ModelShape& shape, Json& config) {
  int64_t first = 0;
  while (first < shape.layers && !shape.routed(first)) ++first;
  int64_t every = 1;  // the distance between layers with experts
  const std::vector<int64_t> routed = routed_layers(shape);
  if (routed.size() > 1) every = routed[1] - routed[0];
  config["intermediate_size"] = shape.dense_width;
  config["moe_intermediate_size"] = shape.expert_width;
  config["n_routed_experts"] = shape.experts;
  config["n_shared_experts"] = shape.shared_width / shape.expert_width;
  config["first_k_dense_replace"] = first;
  config["moe_layer_freq"] = every;
  config["num_experts_per_tok"] = shape.router.top_k;
  config["norm_topk_prob"] = shape.router.renormalize;
  config["scoring_func"] = "softmax";
  config["aux_loss_alpha"] = shape.aux_loss;
  config["seq_aux"] = shape.router.balance == Balance::per_sequence;
}

}  // namespace hellora
