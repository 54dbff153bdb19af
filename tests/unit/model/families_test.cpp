// What each family's config.json may not say, and both spellings of what it may.
#include <cmath>
#include <map>
#include <set>

#include "hellora/core/error.h"
#include "tests/support/tiny_model.h"

namespace hellora {
namespace {

using namespace testing;

Json config_of(std::string_view family) { return find_arch(std::string(family), "test").config(tiny_shape_of(family)); }

struct Refused {
  const char *family, *key;
  Json value;
  const char* named;  // what the message must contain beside the file
};

TEST(FamilyConfigs, ContradictionsAndUnsupportedValuesAreNamed) {
  const std::vector<Refused> table = {
      {"mixtral", "num_experts", 5, "num_local_experts"},
      {"mixtral", "num_experts_per_tok", 7, "num_experts_per_tok"},
      {"mixtral", "sliding_window", 0, "sliding_window"},
      {"mistral", "layer_types", {"full_attention", "sliding_attention"}, "layer_types"},
      {"qwen3_moe", "num_local_experts", 5, "num_experts"},
      {"qwen3_moe", "use_sliding_window", true, "use_sliding_window"},
      {"qwen3_moe", "mlp_only_layers", {0, 2}, "mlp_only_layers"},
      {"qwen3_moe", "mlp_only_layers", {0, 1}, "no layer with experts"},
      {"qwen3_moe", "attention_bias", true, "attention_bias"},
      {"qwen2_moe", "decoder_sparse_step", 0, "decoder_sparse_step"},
      {"qwen2_moe", "shared_expert_intermediate_size", nullptr, "shared_expert_intermediate_size"},
      {"deepseek", "first_k_dense_replace", 2, "no layer with experts"},
      {"deepseek", "scoring_func", "sigmoid", "scoring_func"},
      {"deepseek_v2", "topk_method", "noaux_tc", "topk_method"},
      {"deepseek_v2", "qk_rope_head_dim", 3, "qk_rope_head_dim"},
      {"deepseek_v2", "v_head_dim", 7, "v_head_dim"},
      {"deepseek_v2", "routed_scaling_factor", 0, "routed_scaling_factor"},
      {"llama", "mlp_bias", true, "mlp_bias"},
      {"llama", "rope_scaling", {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 4}, {"high_freq_factor", 4}}, "high_freq"},
      {"llama", "rope_scaling", {{"rope_type", "dynamic"}, {"factor", 8.0}}, "dynamic"},
  };
  for (const Refused& one : table) {
    Json config = config_of(one.family);
    config[one.key] = one.value;
    const std::string message = error_of<FormatError>([&] { read_shape(config, "some/config.json"); });
    EXPECT_CONTAINS(message, "some/config.json") << one.family << " " << one.key;
    EXPECT_CONTAINS(message, one.named) << one.family << " " << one.key;
  }
}

TEST(FamilyConfigs, GroupsMustFitTheExperts) {
  Json config = config_of("deepseek_v2");
  config["topk_method"] = "group_limited_greedy";
  for (const auto& [groups, kept, named] : {std::tuple(4, 2, "n_group"), std::tuple(3, 4, "topk_group"), std::tuple(6, 1, "exceeds")}) {
    config["n_group"] = groups;
    config["topk_group"] = kept;
    EXPECT_CONTAINS(error_of<FormatError>([&] { read_shape(config, "c"); }), named);
  }
}

TEST(FamilyConfigs, TheSpellingOfTransformers5) {
  Json mixtral = config_of("mixtral");
  mixtral["num_experts"] = mixtral["num_local_experts"];  // equal: no contradiction
  EXPECT_EQ(read_shape(mixtral, "c").experts, 6);
  Json qwen = config_of("qwen3_moe");
  qwen["num_local_experts"] = qwen["num_experts"];
  qwen.erase("num_experts");
  qwen["sliding_window"] = 0;  // counts only with use_sliding_window
  qwen["layer_types"] = {"full_attention", "full_attention"};
  EXPECT_EQ(read_shape(qwen, "c").experts, 6);
  EXPECT_EQ(read_shape(qwen, "c").window, 0);
  Json mistral = config_of("mistral");
  EXPECT_EQ(read_shape(mistral, "c").window, 7);
  mistral["layer_types"] = {"full_attention", "full_attention"};
  EXPECT_EQ(read_shape(mistral, "c").window, 0);
  mistral["head_dim"] = nullptr;
  EXPECT_EQ(read_shape(mistral, "c").head_dim, 4);
}

/// DeepSeek's own code: renormalised weights are not scaled, others are; one expert per token is never renormalised.
TEST(FamilyConfigs, DeepSeekScalesOrRenormalises) {
  Json config = config_of("deepseek_v2");
  config["routed_scaling_factor"] = 2.5;
  EXPECT_EQ(read_shape(config, "c").router.scale, 2.5);
  config["norm_topk_prob"] = true;
  EXPECT_TRUE(read_shape(config, "c").router.renormalize);
  EXPECT_EQ(read_shape(config, "c").router.scale, 1);
  config["num_experts_per_tok"] = 1;
  EXPECT_FALSE(read_shape(config, "c").router.renormalize);
  EXPECT_EQ(read_shape(config, "c").router.scale, 2.5);
}

TEST(FamilyConfigs, ScoresOfYarn) {
  Json config = config_of("deepseek_v2");
  config["rope_scaling"] = {
      {"type", "yarn"}, {"factor", 40}, {"mscale", 0.707}, {"mscale_all_dim", 0.707}, {"original_max_position_embeddings", 64}};
  const ModelShape authors = read_shape(config, "c");
  const double plain = 1 / std::sqrt(static_cast<double>(authors.head_dim)), g = 0.1 * 0.707 * std::log(40.0) + 1;
  EXPECT_NEAR(authors.attention_scale, plain * g * g, 1e-15);
  config["rope_scaling"]["scale_scores"] = false;
  EXPECT_EQ(read_shape(config, "c").attention_scale, 0);
  EXPECT_EQ(find_preset("deepseek-v2-lite").attention_scale,
            read_shape(find_arch("deepseek_v2", "t").config(find_preset("deepseek-v2-lite")), "c").attention_scale);
}

TEST(FamilySites, OnlyRoutedLayersHaveExperts) {
  const ModelShape shape = tiny_shape_of("deepseek");
  EXPECT_EQ(routed_layers(shape), (std::vector<int64_t>{1}));
  Plan plan = tiny_plan();
  EXPECT_CONTAINS(error_of<ConfigError>([&] { find_sites(shape, tiny_config(), plan); }), "layer 0 is dense");
  plan.layers.erase(plan.layers.begin());
  std::map<int64_t, std::set<std::string_view>> targets;
  for (const Site& site : find_sites(shape, tiny_config(), plan)) targets[site.layer].insert(target_of(site.slot));
  EXPECT_EQ(targets[0], (std::set<std::string_view>{"q", "k", "v", "o", "dense"}));
  EXPECT_EQ(targets[1], (std::set<std::string_view>{"q", "k", "v", "o", "gate", "up", "down", "shared"}));
  EXPECT_CONTAINS(error_of<ConfigError>([&] { find_sites(tiny_shape_of("llama"), tiny_config({"gate"}), {}); }),
                  "its own are q k v o dense");
  EXPECT_CONTAINS(error_of<ConfigError>([&] { fresh_adapters(tiny_shape_of("qwen2_moe"), {}, tiny_config({"bias"})); }),
                  "no low-rank form");
}

}  // namespace
}  // namespace hellora
