// Adapter folders: what is written reads back bit for bit; what cannot be used is refused by name and place.
#include "hellora/model/adapter_dir.h"

#include "hellora/core/error.h"
#include "hellora/io/paths.h"
#include "hellora/model/tensor_io.h"
#include "tests/support/step.h"
#include "tests/support/tiny_model.h"

namespace hellora {
namespace {

using namespace testing;

AdapterOrigin sample_origin() {
  AdapterOrigin origin;
  origin.plan = tiny_plan();
  origin.model_hash = "0123";
  origin.base_path = "some/base";
  origin.data_format = "chat";
  origin.train_on = "all";
  origin.run = Json{{"seed", 7}};
  return origin;
}

Tensor logits_with(const AdapterSet* adapters) {
  const TinyModel model;
  const Batch batch = make_batch(std::vector<std::vector<int64_t>>{random_ids(20, tiny_shape().vocab, 1)});
  model.decoder->bind(adapters);
  return all_logits(*model.decoder, batch);
}

void expect_roundtrip(const Plan& plan, const AdapterConfig& config) {
  const TempFolder folder;
  const auto adapters = fresh_adapters(tiny_shape(), plan, config);
  randomise(*adapters, 11);
  write_adapter(folder / "a", *adapters, sample_origin(), tiny_shape());
  const LoadedAdapter loaded = read_adapter(folder / "a", tiny_shape());
  ASSERT_EQ(loaded.adapters->specs().size(), adapters->specs().size());
  for (size_t i = 0; i < adapters->specs().size(); ++i) {
    EXPECT_EQ(loaded.adapters->specs()[i].name, adapters->specs()[i].name);
    EXPECT_TRUE(same_bytes(loaded.adapters->param(i), adapters->param(i)));
  }
  EXPECT_TRUE(same_bytes(loaded.adapters->flat_param(), adapters->flat_param()));
  EXPECT_EQ(plan_to_json(loaded.origin.plan), plan_to_json(sample_origin().plan));
  EXPECT_EQ(loaded.origin.model_hash, "0123");
  EXPECT_EQ(loaded.origin.data_format, "chat");
  EXPECT_EQ(loaded.origin.train_on, "all");
  EXPECT_EQ(loaded.origin.run, (Json{{"seed", 7}}));
  // The same function, scales included, and the same bytes when written again.
  EXPECT_TRUE(same_bytes(logits_with(loaded.adapters.get()), logits_with(adapters.get())));
  write_adapter(folder / "b", *loaded.adapters, sample_origin(), tiny_shape());
  EXPECT_EQ(slurp(folder / "a/adapter_model.safetensors"), slurp(folder / "b/adapter_model.safetensors"));
  EXPECT_EQ(parse_json(slurp(folder / "a/hellora.json"), "a"), parse_json(slurp(folder / "b/hellora.json"), "b"));
}

TEST(AdapterFolder, RoundtripIsBitExact) {
  expect_roundtrip(tiny_plan(), tiny_config());
  expect_roundtrip(all_experts(tiny_shape()), tiny_config());
  expect_roundtrip(tiny_plan(), tiny_config({"q", "v"}));
  expect_roundtrip(tiny_plan(), tiny_config({"down", "up", "gate", "embed", "lm_head"}));
}

TEST(AdapterFolder, RoundtripKeepsRanksPerExpertRsloraAndOddAlpha) {
  Plan ranks = tiny_plan();
  ranks.layers[0].experts = {{1, 5}, {4, 2}};
  AdapterConfig config = tiny_config();
  config.method = "rslora";
  config.alpha = 6.5;
  expect_roundtrip(ranks, config);
}

// PEFT on transformers 5 multiplies `r` by the number of experts: two experts of rank 16 must not look like eight of rank 4.
TEST(AdapterFolder, TheLargestRankIsTheConfigsRank) {
  Plan ranks = tiny_plan();
  ranks.layers[0].experts = {{1, 16}, {4, 2}};
  const TempFolder folder;
  write_adapter(folder / "a", *fresh_adapters(tiny_shape(), ranks, tiny_config()), sample_origin(), tiny_shape());
  const Json config = parse_json(slurp(folder / "a/adapter_config.json"), "a");
  EXPECT_EQ(config["r"], 16);
  for (const auto& [path, rank] : config["rank_pattern"].items()) EXPECT_LT(rank.get<int64_t>(), 16) << path;
  EXPECT_EQ(config["rank_pattern"]["model.layers.0.mlp.experts.4.up_proj"], 2);
}

// PEFT on transformers 5 leaves gate and up out where down is not there.
TEST(AdapterFolder, GateAndUpComeWithADownOfZeros) {
  const TempFolder folder;
  const auto adapters = fresh_adapters(tiny_shape(), tiny_plan(), tiny_config({"gate", "up"}));
  randomise(*adapters, 3);
  write_adapter(folder / "a", *adapters, sample_origin(), tiny_shape());
  const LoadedAdapter loaded = read_adapter(folder / "a", tiny_shape());
  size_t downs = 0;
  for (size_t i = 0; i < loaded.adapters->specs().size(); ++i) {
    if (loaded.adapters->specs()[i].name.find("down_proj") == std::string::npos) continue;
    ++downs;
    EXPECT_EQ(loaded.adapters->param(i).abs().max().item<float>(), 0);
  }
  EXPECT_EQ(2 * downs, adapters->specs().size());  // A and B of gate, up and down: four and two
  EXPECT_TRUE(same_bytes(logits_with(loaded.adapters.get()), logits_with(adapters.get())));
}

AdapterConfig config_of(const std::string& method, const std::vector<std::string>& targets = {"auto"}) {
  AdapterConfig config = tiny_config(targets);
  config.method = method;
  return config;
}

/// Of the folder that is written; null where there is none.
Json peft_file(const AdapterConfig& config, const Plan& plan = tiny_plan()) {
  const TempFolder folder;
  const AdapterSet adapters(find_sites(tiny_shape(), config, plan), config, 5, BaseWeight(), at::kFloat, Fill::stored);
  write_adapter(folder / "a", adapters, sample_origin(), tiny_shape());
  return path_exists(folder / "a/adapter_config.json") ? parse_json(slurp(folder / "a/adapter_config.json"), "a") : Json();
}

TEST(AdapterFolder, TypesOfPeftHaveTheirOwnKeys) {
  const std::vector<std::pair<std::string, Json>> all = {
      {"dora", {{"peft_type", "LORA"}, {"use_dora", true}, {"r", 3}, {"lora_alpha", 6}}},
      {"vera", {{"peft_type", "VERA"}, {"r", 3}, {"save_projection", true}, {"projection_prng_key", 5}, {"d_initial", 0.1}}},
      {"adalora", {{"peft_type", "ADALORA"}, {"init_r", 3}, {"target_r", 2}, {"lora_alpha", 6}, {"total_step", 1}}},
      {"randlora", {{"peft_type", "RANDLORA"}, {"r", 3}, {"save_projection", true}, {"projection_prng_key", 5}, {"randlora_alpha", 6}}}};
  for (const auto& [method, keys] : all) {
    const Json file = peft_file(config_of(method));
    ASSERT_TRUE(file.is_object()) << method;
    for (const auto& [key, value] : keys.items()) EXPECT_EQ(file.value(key, Json()), value) << method << ": " << key;
    EXPECT_EQ(file["base_model_name_or_path"], "some/base");
    EXPECT_EQ(file["inference_mode"], true);
    EXPECT_EQ(file["target_modules"].back(), "experts.act_fn") << "PEFT on transformers 5 must refuse " << method;
    EXPECT_EQ(peft_file(config_of(method, {"q", "v"}))["target_modules"].back(), "model.layers.1.self_attn.v_proj");
  }
  EXPECT_EQ(peft_file(tiny_config())["target_modules"].back(), "model.layers.1.mlp.experts.5.down_proj");
}

TEST(AdapterFolder, WhatPeftWouldComputeOtherwiseHasNoConfigOfPeft) {
  Plan ranks = tiny_plan();
  ranks.layers[0].experts = {{1, 5}, {4, 2}};
  EXPECT_TRUE(peft_file(config_of("adalora"), ranks).is_null());
  EXPECT_EQ(peft_file(config_of("dora"), ranks)["rank_pattern"]["model.layers.0.mlp.experts.4.up_proj"], 2);
  AdapterConfig paper = config_of("randlora");
  Fields fields;
  fields.add(adapter_fields(&paper));
  fields.set_text("adapter.randlora.pairing", "paper", "test");
  EXPECT_TRUE(peft_file(paper).is_null());
}

// Sizes as PEFT takes them: a map from 16 to 12 and one from 12 to 16 share bases of 16 by 16, which neither needs.
TEST(AdapterFolder, SharedTensorsLieBesideTheModel) {
  const TempFolder folder;
  const auto adapters = fresh_adapters(tiny_shape(), tiny_plan(), config_of("randlora", {"gate", "down"}));
  write_adapter(folder / "a", *adapters, sample_origin(), tiny_shape());
  const SafetensorsFile file(folder / "a/adapter_model.safetensors");
  std::map<std::string, std::vector<int64_t>> shared;
  for (const TensorInfo& info : file.tensors()) {
    if (!info.name.starts_with("base_model.model.")) shared[info.name] = info.shape;
  }
  const std::map<std::string, std::vector<int64_t>> want = {{"base_model.randlora_A", {3, 1, 16}}, {"base_model.randlora_B", {16, 6, 3}}};
  EXPECT_EQ(shared, want);
}

/// A good adapter folder whose files a test then spoils.
class BadAdapter : public ::testing::Test {
 protected:
  BadAdapter() { write_adapter(folder_.path(), *fresh_adapters(tiny_shape(), tiny_plan()), sample_origin(), tiny_shape()); }

  Path tensors_path() const { return folder_ / "adapter_model.safetensors"; }

  /// Rewrites the tensors after `change` has seen them by name.
  void with_tensors(const std::function<void(std::map<std::string, Tensor>&)>& change) {
    std::map<std::string, Tensor> tensors;
    {
      const SafetensorsFile file(tensors_path());
      for (const TensorInfo& info : file.tensors()) tensors[info.name] = read_tensor(info, file.bytes(info));
    }
    change(tensors);
    std::vector<TensorBytes> bytes;
    for (const auto& [name, tensor] : tensors) bytes.push_back(tensor_bytes(name, tensor));
    write_safetensors(tensors_path(), std::move(bytes), {});
  }

  void with_config(const std::string& key, const Json& value) {
    Json config = parse_json(slurp(folder_ / "adapter_config.json"), "config");
    config[key] = value;
    put_file(folder_ / "adapter_config.json", config.dump());
  }

  std::string refusal() {
    return error_of<FormatError>([&] { read_adapter(folder_.path(), tiny_shape()); });
  }

  TempFolder folder_;
  const std::string prefix_ = "base_model.model.model.layers.0.";
};

Tensor zeros(at::IntArrayRef shape) { return at::zeros(shape, at::TensorOptions(at::kFloat)); }

TEST_F(BadAdapter, IsGoodBeforeItIsSpoiled) { EXPECT_NO_THROW(read_adapter(folder_.path(), tiny_shape())); }

TEST_F(BadAdapter, WrongShapes) {
  const std::string q = prefix_ + "self_attn.q_proj.lora_";
  with_tensors([&](auto& tensors) { tensors[q + "B.weight"] = zeros({17, 3}); });
  const std::string wrong_b = refusal();
  EXPECT_CONTAINS(wrong_b, tensors_path().string());
  EXPECT_CONTAINS(wrong_b, q + "B.weight");
  EXPECT_CONTAINS(wrong_b, "shape");
  with_tensors([&](auto& tensors) { tensors[q + "A.weight"] = zeros({3, 15}); });
  EXPECT_CONTAINS(refusal(), q + "A.weight");
  with_tensors([&](auto& tensors) { tensors[q + "A.weight"] = zeros({2, 16}); });
  const std::string wrong_rank = refusal();
  EXPECT_CONTAINS(wrong_rank, "rank 2");
  EXPECT_CONTAINS(wrong_rank, "adapter_config.json says 3");
  with_tensors([&](auto& tensors) { tensors[q + "A.weight"] = zeros({48}); });
  EXPECT_CONTAINS(refusal(), "(rank, in)");
}

TEST_F(BadAdapter, MissingUpOfAnExpert) {
  with_tensors([&](auto& tensors) {
    tensors.erase(prefix_ + "mlp.experts.4.up_proj.lora_A.weight");
    tensors.erase(prefix_ + "mlp.experts.4.up_proj.lora_B.weight");
  });
  const std::string message = refusal();
  EXPECT_CONTAINS(message, tensors_path().string());
  EXPECT_CONTAINS(message, "layer 0");
  EXPECT_CONTAINS(message, "different experts");
}

TEST_F(BadAdapter, HalfAPair) {
  const std::string up = prefix_ + "mlp.experts.4.up_proj.lora_";
  with_tensors([&](auto& tensors) { tensors.erase(up + "B.weight"); });
  const std::string no_b = refusal();
  EXPECT_CONTAINS(no_b, up + "B.weight");
  EXPECT_CONTAINS(no_b, "missing");
}

TEST_F(BadAdapter, BWithoutA) {
  const std::string o = prefix_ + "self_attn.o_proj.lora_";
  with_tensors([&](auto& tensors) { tensors.erase(o + "A.weight"); });
  const std::string message = refusal();
  EXPECT_CONTAINS(message, tensors_path().string());
  EXPECT_CONTAINS(message, o + "B.weight");
  EXPECT_CONTAINS(message, "lora_A");
}

TEST_F(BadAdapter, ExpertBWithoutItsA) {
  for (const char* projection : {"gate", "up", "down"}) {
    with_tensors([&](auto& tensors) { tensors.erase(prefix_ + "mlp.experts.1." + projection + "_proj.lora_A.weight"); });
  }
  EXPECT_CONTAINS(refusal(), prefix_ + "mlp.experts.1.down_proj.lora_B.weight");
}

TEST_F(BadAdapter, UnknownTensors) {
  const auto message_with = [&](const std::string& name) {
    with_tensors([&](auto& tensors) { tensors[name] = zeros({3, 16}); });
    const std::string message = refusal();
    with_tensors([&](auto& tensors) { tensors.erase(name); });
    EXPECT_CONTAINS(message, tensors_path().string());
    return message;
  };
  EXPECT_CONTAINS(message_with(prefix_ + "mlp.experts.6.up_proj.lora_A.weight"), "mlp.experts.6.up_proj");
  EXPECT_CONTAINS(message_with("base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight"), "layers.2");
  EXPECT_CONTAINS(message_with(prefix_ + "self_attn.q_proj.lora_magnitude_vector"), "lora_magnitude_vector");
  EXPECT_CONTAINS(message_with("model.layers.0.self_attn.q_proj.lora_A.weight"), "base_model.model.");
  EXPECT_CONTAINS(message_with(prefix_ + "mlp.experts.lora_A.weight"), "fused");
}

TEST_F(BadAdapter, ConfigsThatWouldBeIgnored) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, Json>>{{"use_dora", true},
                                                                            {"bias", "all"},
                                                                            {"fan_in_fan_out", true},
                                                                            {"lora_bias", true},
                                                                            {"modules_to_save", {"lm_head"}},
                                                                            {"layer_replication", {{0, 1}}},
                                                                            {"peft_type", "IA3"},
                                                                            {"r", 0},
                                                                            {"lora_alpha", 0},
                                                                            {"r", "three"},
                                                                            {"rank_pattern", {{"q_proj", "two"}}},
                                                                            {"alpha_pattern", {{"([", 2}}}}) {
    const std::string before = slurp(folder_ / "adapter_config.json");
    with_config(key, value);
    const std::string message = refusal();
    EXPECT_CONTAINS(message, "adapter_config.json") << key;
    if (key != "alpha_pattern") {
      EXPECT_CONTAINS(message, key);
    }
    put_file(folder_ / "adapter_config.json", before);
  }
}

TEST_F(BadAdapter, PatternThatDisagreesWithTheTensor) {
  with_config("rank_pattern", {{"layers.0.self_attn.q_proj", 2}});
  EXPECT_CONTAINS(refusal(), "adapter_config.json says 2");
}

TEST_F(BadAdapter, NoTensors) {
  with_tensors([](auto& tensors) { tensors.clear(); });
  EXPECT_CONTAINS(refusal(), "no tensor");
}

TEST_F(BadAdapter, OtherBase) {
  const TinyModel model, other(tiny_shape(), at::kFloat, 2);
  AdapterOrigin origin = sample_origin();
  origin.model_hash = model_hash(*model.decoder);
  write_adapter(folder_.path(), *fresh_adapters(tiny_shape(), tiny_plan()), origin, tiny_shape());
  const auto open = [&](const TinyModel& base) {
    return open_adapter(folder_.path(), base.folder.path(), tiny_shape(), [&] { return model_hash(*base.decoder); });
  };
  EXPECT_NO_THROW(open(model));
  const std::string message = error_of<StateError>([&] { open(other); });
  EXPECT_CONTAINS(message, folder_.path().string());
  EXPECT_CONTAINS(message, "some/base");
  EXPECT_CONTAINS(message, origin.model_hash);
  EXPECT_CONTAINS(message, model_hash(*other.decoder));
}

/// Before any tensor is looked at: a base of another shape, named as what it is.
TEST_F(BadAdapter, BaseOfAnotherShape) {
  const ModelShape other = tiny_shape_of("qwen3_moe");
  const auto never = []() -> std::string { throw std::logic_error("the hash is not needed"); };
  const std::string message = error_of<StateError>([&] { open_adapter(folder_.path(), "m", other, never); });
  EXPECT_CONTAINS(message, "olmoe: 2 layers of width 16, 6 experts of width 12, vocabulary 61");
  EXPECT_CONTAINS(message, "this model is qwen3_moe");
}

}  // namespace
}  // namespace hellora
