// config.json readers, sites from targets and plans, parameter counts, random checkpoints.
#include "hellora/core/error.h"
#include "hellora/model/count.h"
#include "tests/support/tiny_model.h"

namespace hellora {
namespace {

using namespace testing;

Json config_of(const ModelShape& shape) { return find_arch("olmoe", "test").config(shape); }

TEST(ConfigReader, ReadsWhatTheWriterWrote) {
  ModelShape shape = tiny_shape();
  shape.clip_qkv = 0.5;
  shape.router.renormalize = true;
  shape.rope.theta = 500000;
  EXPECT_EQ(config_of(read_shape(config_of(shape), "c")), config_of(shape));
}

TEST(ConfigReader, ReadsTheNewSpellingOfRope) {
  Json config = config_of(tiny_shape());
  config.erase("rope_theta");
  config.erase("rope_scaling");
  config["rope_parameters"] = {{"rope_theta", 12345.0}, {"rope_type", "default"}};
  EXPECT_EQ(read_shape(config, "c").rope.theta, 12345);
}

TEST(ConfigReader, MissingKeysAreNamed) {
  for (const char* key : {"model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_experts",
                          "intermediate_size", "num_experts_per_tok"}) {
    Json config = config_of(tiny_shape());
    config.erase(key);
    const std::string message = error_of<FormatError>([&] { read_shape(config, "some/config.json"); });
    EXPECT_CONTAINS(message, "some/config.json");
    EXPECT_CONTAINS(message, key);
  }
}

TEST(ConfigReader, WrongTypesRangesAndUnsupportedValuesAreNamed) {
  const std::vector<std::pair<std::string, Json>> table = {
      {"vocab_size", "many"},
      {"hidden_size", 0},
      {"hidden_size", 16.5},
      {"num_hidden_layers", -1},
      {"num_attention_heads", 3},
      {"num_key_value_heads", 3},
      {"num_experts", nullptr},
      {"num_experts_per_tok", 7},
      {"intermediate_size", true},
      {"norm_topk_prob", "yes"},
      {"clip_qkv", -1},
      {"rope_theta", 0},
      {"hidden_act", "gelu"},
      {"attention_bias", true},
      {"head_dim", 5},
      {"vocab_size", int64_t{1} << 40},
      {"model_type", "gpt2"},
      {"model_type", 3},
      {"rope_scaling", {{"rope_type", "longrope"}, {"factor", 2.0}}},
      {"rope_scaling", {{"rope_type", "yarn"}}},
      {"rope_scaling", {{"rope_type", "linear"}, {"factor", 0.5}}},
      {"rope_scaling", "linear"},
      {"quantization_config", {{"bits", 4}}},
  };
  for (const auto& [key, value] : table) {
    Json config = config_of(tiny_shape());
    config[key] = value;
    const std::string message = error_of<FormatError>([&] { read_shape(config, "some/config.json"); });
    EXPECT_CONTAINS(message, "some/config.json") << key << " " << value.dump();
    EXPECT_CONTAINS(message, key);
  }
}

TEST(ConfigReader, UnknownArchitectureNamesTheKnownOnes) {
  Json config = config_of(tiny_shape());
  config["model_type"] = "gpt2";
  const std::string message = error_of<FormatError>([&] { read_shape(config, "c"); });
  EXPECT_CONTAINS(message, "gpt2");
  EXPECT_CONTAINS(message, "olmoe");
}

template <class Expected>
std::string sites_refusal(const AdapterConfig& config, const Plan& plan, bool rank_given = false) {
  return error_of<Expected>([&] { find_sites(tiny_shape(), config, plan, rank_given); });
}

TEST(Sites, RefusalsSayWhatAndWhere) {
  EXPECT_CONTAINS(sites_refusal<ConfigError>(tiny_config({"dwon"}), tiny_plan()), "nearest: down");
  EXPECT_CONTAINS(sites_refusal<ConfigError>(tiny_config({"shared"}), tiny_plan()), "\"shared\" matches nothing");
  Plan plan = tiny_plan();
  plan.layers[1].layer = 2;
  EXPECT_CONTAINS(sites_refusal<ConfigError>(tiny_config(), plan), "layer 2");
  plan = tiny_plan();
  plan.layers[0].experts[1].expert = 6;
  EXPECT_CONTAINS(sites_refusal<ConfigError>(tiny_config(), plan), "expert 6");
  plan = tiny_plan();
  plan.layers[0].experts[1].rank = 4;
  EXPECT_CONTAINS(sites_refusal<ConfigError>(tiny_config(), plan, true), "rank 4");
  EXPECT_NO_THROW(find_sites(tiny_shape(), tiny_config(), plan, false));
}

TEST(Count, OlmoePublishedNumbers) {
  const ModelShape shape = find_preset("olmoe-1b-7b");
  EXPECT_EQ(count_base(shape), 6919161856);  // parameters of the published checkpoint
  // Attention, four norms, router and 8 of 64 experts in each of 16 layers; embedding, head and the last norm.
  const int64_t layer = 4 * 2048 * 2048 + 4 * 2048 + 64 * 2048 + 8 * 3 * 2048 * 1024;
  EXPECT_EQ(count_active(shape), 16 * layer + 2 * 50304 * 2048 + 2048);
}

TEST(Count, BaseEqualsTheCheckpointAndTrainableTheAdapter) {
  for (const bool tied : {false, true}) {
    ModelShape shape = tiny_shape();
    shape.tied_embeddings = tied;
    const TempFolder folder;
    init_model(shape, folder.path(), 1, false);
    const Checkpoint checkpoint(folder.path());
    int64_t total = 0;
    for (const std::string& name : checkpoint.names()) total += checkpoint.info(name).count();
    EXPECT_EQ(count_base(shape), total);
  }
  EXPECT_EQ(count_trainable(tiny_shape(), tiny_config(), tiny_plan()), fresh_adapters(tiny_shape(), tiny_plan())->trainable());
}

TEST(InitModel, IsAFunctionOfTheSeed) {
  const TempFolder folder;
  init_model(tiny_shape(), folder / "a", 1, true);
  init_model(tiny_shape(), folder / "b", 1, true);
  init_model(tiny_shape(), folder / "c", 2, true);
  EXPECT_EQ(slurp(folder / "a/model.safetensors"), slurp(folder / "b/model.safetensors"));
  EXPECT_NE(slurp(folder / "a/model.safetensors"), slurp(folder / "c/model.safetensors"));
  const auto decoder = load_decoder(Checkpoint(folder / "a"), {});
  EXPECT_TRUE((decoder->weights().final_norm_D == 1).all().item<bool>());
  const Tensor values = dense(decoder->weights().layers[1].moe.up[3]).to(at::kDouble);
  const auto count = static_cast<double>(values.numel());
  EXPECT_NEAR(values.mean().item<double>(), 0, 5 * 0.02 / std::sqrt(count));
  EXPECT_NEAR(values.square().mean().item<double>(), 4e-4, 5 * 4e-4 * std::sqrt(2 / count));
}

TEST(ModelHash, IsTheModelNotItsStorage) {
  const TinyModel model, other(tiny_shape(), at::kFloat, 2);
  const auto as_double = load_decoder(Checkpoint(model.folder.path()), {at::kDouble, at::kDouble});
  const auto as_bf16 = load_decoder(Checkpoint(model.folder.path()), {at::kBFloat16, at::kFloat});
  EXPECT_EQ(model_hash(*model.decoder), model_hash(*as_double));
  EXPECT_EQ(model_hash(*model.decoder), model_hash(*as_bf16));
  EXPECT_NE(model_hash(*model.decoder), model_hash(*other.decoder));
}

}  // namespace
}  // namespace hellora
