#include "hellora/model/arch/deepseek_ffn.h"

#include "hellora/core/error.h"

namespace hellora {

void read_deepseek_ffn(const Json& config, const std::string& where, ModelShape& shape) {
  shape.dense_width = sized(config, "intermediate_size", 1, 1 << 24, where);
  shape.expert_width = sized(config, "moe_intermediate_size", 1, 1 << 24, where);
  shape.experts = sized(config, "n_routed_experts", 1, 65536, where);
  const int64_t shared = has(config, "n_shared_experts") ? sized(config, "n_shared_experts", 0, 1024, where) : 0;
  shape.shared_width = shared * shape.expert_width;
  const int64_t first = has(config, "first_k_dense_replace") ? sized(config, "first_k_dense_replace", 0, 4096, where) : 0;
  const int64_t every = has(config, "moe_layer_freq") ? sized(config, "moe_layer_freq", 1, 4096, where) : 1;
  shape.dense_layers = dense_layers(shape.layers, [&](int64_t layer) { return layer < first || layer % every != 0; });
  if (static_cast<int64_t>(shape.dense_layers.size()) == shape.layers)
    throw FormatError(where + ": first_k_dense_replace leaves no layer with experts");
  shape.router.top_k = sized(config, "num_experts_per_tok", 1, shape.experts, where);
  shape.router.renormalize = bool_or(config, "norm_topk_prob", false, where) && shape.router.top_k > 1;
  const std::string scoring = string_or(config, "scoring_func", "softmax", where);
  if (scoring != "softmax") throw FormatError(where + ": scoring_func \"" + scoring + "\" is not supported; expected \"softmax\"");
  shape.aux_loss = double_or(config, "aux_loss_alpha", 0.001, where);
  shape.router.balance = bool_or(config, "seq_aux", true, where) ? Balance::per_sequence : Balance::per_layer;
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
