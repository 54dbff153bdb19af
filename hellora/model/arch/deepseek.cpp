// DeepSeekMoE-16B (Dai et al. 2024, arXiv 2401.06066): ordinary attention, a dense first layer, two shared experts.
#include "hellora/model/arch/deepseek_ffn.h"

namespace hellora {
namespace {

constexpr auto kPaths = join_paths(kDecoderPaths, kQkvPaths, kExpertPaths, kSharedExpertsPaths, kDensePaths);

ModelShape read_deepseek(JsonObject& config) {
  ModelShape shape = read_shared_shape(config);
  refuse_window(config, shape.layers);
  read_deepseek_ffn(config, shape);
  return shape;
}

Json write_deepseek(const ModelShape& shape) {
  Json config = write_shared_shape(shape, "DeepseekForCausalLM");
  write_deepseek_ffn(shape, config);
  return config;
}

}  // namespace

extern const Arch kDeepseek;
const Arch kDeepseek = {
    .model_type = "deepseek",
    .models = "DeepSeekMoE-16B base, chat",
    .shape = read_deepseek,
    .config = write_deepseek,
    .paths = kPaths,  // and no fused layout: transformers has no class for this family
    .targets = "q k v o gate up down shared dense",
    .hot = {12, 64},
    .defaults_source = "k = 12 without the router is the best match by arithmetic of the 23.2 % of arXiv 2605.18795; not stated there",
    .status = "golden parity on tiny models with a composed reference; not tried at true size",
};

ModelShape deepseek_moe_16b() {
  ModelShape shape;
  shape.arch = "deepseek";
  shape.vocab = 102400;
  shape.hidden = 2048;
  shape.layers = 28;
  shape.heads = shape.kv_heads = 16;
  shape.head_dim = 128;
  shape.max_positions = 4096;
  shape.rms_eps = 1e-6;
  shape.experts = 64;
  shape.expert_width = 1408;
  shape.dense_layers = {0};
  shape.dense_width = 10944;
  shape.shared_width = 2816;
  shape.router.top_k = 6;
  shape.router.balance = Balance::per_sequence;
  shape.aux_loss = 0.001;
  return shape;
}

}  // namespace hellora
