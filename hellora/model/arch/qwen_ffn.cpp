#include "hellora/model/arch/qwen_ffn.h"

#include "hellora/core/error.h"

namespace hellora {

void read_qwen_ffn(JsonObject& config, ModelShape& shape) {
  refuse_window(config, shape.layers);
  shape.experts = spelled(config, {"num_experts", "num_local_experts"}, 1, kMaxExperts);
  shape.expert_width = config.integer("moe_intermediate_size", 1, kMaxWidth);
  shape.router.top_k = config.integer("num_experts_per_tok", 1, shape.experts);
  shape.router.renormalize = config.flag_or("norm_topk_prob", false);
  const int64_t step = config.integer_or("decoder_sparse_step", 1, 1, kMaxLayers);
  std::vector<int64_t> dense;
  if (config.find("mlp_only_layers") != nullptr) dense = config.integers("mlp_only_layers", 0, shape.layers - 1);
  shape.dense_layers = dense_layers(
      shape.layers, [&](int64_t layer) { return (layer + 1) % step != 0 || std::find(dense.begin(), dense.end(), layer) != dense.end(); });
  if (static_cast<int64_t>(shape.dense_layers.size()) == shape.layers)
    throw FormatError(config.where() + ": mlp_only_layers and decoder_sparse_step leave no layer with experts");
  if (!shape.dense_layers.empty() || config.find("intermediate_size") != nullptr) {
    shape.dense_width = config.integer("intermediate_size", 1, kMaxWidth);
  }
}

void write_qwen_ffn(const ModelShape& shape, Json& config) {
  std::vector<int64_t> dense;
  for (const int64_t layer : shape.dense_layers) {
    if (layer < shape.layers) dense.push_back(layer);
  }
  config["intermediate_size"] = shape.dense_width > 0 ? shape.dense_width : shape.expert_width;
  config["moe_intermediate_size"] = shape.expert_width;
  config["num_experts"] = shape.experts;
  config["num_experts_per_tok"] = shape.router.top_k;
  config["norm_topk_prob"] = shape.router.renormalize;
  config["decoder_sparse_step"] = 1;
  config["mlp_only_layers"] = dense;
  config["use_sliding_window"] = false;
  config["router_aux_loss_coef"] = shape.aux_loss;
  config["output_router_logits"] = false;
}

}  // namespace hellora
