#include "hellora/model/arch/qwen_ffn.h"

#include "hellora/core/error.h"

namespace hellora {

void read_qwen_ffn(const Json& config, const std::string& where, ModelShape& shape) {
  refuse_window(config, where);
  shape.experts = sized(config, spelling(config, {"num_experts", "num_local_experts"}, where), 1, 65536, where);
  shape.expert_width = sized(config, "moe_intermediate_size", 1, 1 << 24, where);
  shape.router.top_k = sized(config, "num_experts_per_tok", 1, shape.experts, where);
  shape.router.renormalize = bool_or(config, "norm_topk_prob", false, where);
  const int64_t step = has(config, "decoder_sparse_step") ? sized(config, "decoder_sparse_step", 1, 4096, where) : 1;
  const std::vector<int64_t> dense =
      has(config, "mlp_only_layers") ? ints_member(config, "mlp_only_layers", where) : std::vector<int64_t>();
  for (const int64_t layer : dense) {
    if (layer < 0 || layer >= shape.layers) {
      throw FormatError(where + ": mlp_only_layers names layer " + std::to_string(layer) + "; expected 0 to " +
                        std::to_string(shape.layers - 1));
    }
  }
  shape.dense_layers = dense_layers(
      shape.layers, [&](int64_t layer) { return (layer + 1) % step != 0 || std::find(dense.begin(), dense.end(), layer) != dense.end(); });
  if (static_cast<int64_t>(shape.dense_layers.size()) == shape.layers)
    throw FormatError(where + ": mlp_only_layers and decoder_sparse_step leave no layer with experts");
  if (!shape.dense_layers.empty() || has(config, "intermediate_size")) {
    shape.dense_width = sized(config, "intermediate_size", 1, 1 << 24, where);
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
