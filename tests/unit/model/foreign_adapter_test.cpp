// Adapter folders that other tools wrote: each key is used, changes nothing, or is refused by name; nothing is read as something else.
#include <cmath>
#include <limits>

#include "hellora/model/adapter_dir.h"
#include "hellora/model/tensor_io.h"
#include "tests/support/step.h"
#include "tests/support/tensor_map.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

const std::string kLayer0 = "base_model.model.model.layers.0.";

class ForeignAdapter : public ::testing::Test {
 protected:
  ForeignAdapter() {
    const auto adapters = fresh_adapters(tiny_shape(), tiny_plan());
    randomise(*adapters, 7);
    AdapterOrigin origin;
    origin.plan = tiny_plan();
    origin.base_path = "hub/Some-Base";
    write_adapter(folder_.path(), *adapters, origin, tiny_shape());
    config_ = parse_json(slurp(folder_ / "adapter_config.json"), "c");
    ours_ = parse_json(slurp(folder_ / "hellora.json"), "c");
    const SafetensorsFile file(folder_ / "adapter_model.safetensors");
    for (const TensorInfo& info : file.tensors()) tensors_[info.name] = read_tensor(info, file.bytes(info));
  }

  LoadedAdapter read() const { return read_adapter(folder_.path(), tiny_shape()); }
  std::string refusal() const {
    return error_of<FormatError>([&] { read(); });
  }
  /// The folder with one key of one of its files changed, for the length of `action`.
  template <class Action>
  auto with(const char* name, const Json& good, const std::string& key, const Json& value, const Action& action) {
    Json json = good;
    json[key] = value;
    put_file(folder_ / name, json.dump());
    auto result = action();
    put_file(folder_ / name, good.dump());
    return result;
  }
  std::string config_refusal(const std::string& key, const Json& value) {
    return with("adapter_config.json", config_, key, value, [&] { return refusal(); });
  }
  std::string ours_refusal(const std::string& key, const Json& value) {
    return with("hellora.json", ours_, key, value, [&] { return refusal(); });
  }
  std::string tensor_refusal(const std::function<void(TensorMap&)>& change) {
    TensorMap tensors = tensors_;
    change(tensors);
    write_tensors(folder_ / "adapter_model.safetensors", tensors);
    std::string message = refusal();
    write_tensors(folder_ / "adapter_model.safetensors", tensors_);
    return message;
  }

  TempFolder folder_;
  Json config_, ours_;
  TensorMap tensors_;
};

TEST_F(ForeignAdapter, InitialisationsThatChangedTheBaseAreRefused) {
  for (const char* word : {"pissa", "pissa_niter_16", "PiSSA", "olora", "OLoRA", "corda", "loftq"}) {
    const std::string message = config_refusal("init_lora_weights", word);
    EXPECT_CONTAINS(message, "adapter_config.json: key \"init_lora_weights\" is");
    EXPECT_CONTAINS(message, word);
    EXPECT_CONTAINS(message, "path_initial_model_for_weight_conversion");
  }
  for (const Json& other : {Json("svd"), Json(3), Json("gaussian2"), Json::array({"pissa"}), Json::object()})
    EXPECT_CONTAINS(config_refusal("init_lora_weights", other), "init_lora_weights") << other.dump();
  for (const Json& fine :
       {Json(true), Json(false), Json(nullptr), Json("gaussian"), Json("eva"), Json("orthogonal"), Json("mica"), Json("lora_ga")})
    EXPECT_TRUE(with("adapter_config.json", config_, "init_lora_weights", fine, [&] { return read().adapters != nullptr; })) << fine.dump();
}

TEST_F(ForeignAdapter, KeysThatChangeTheResultAreRefusedAndUnknownOnesToo) {
  const std::vector<std::pair<std::string, Json>> table = {{"use_dora", true},
                                                           {"lora_bias", true},
                                                           {"bias", "lora_only"},
                                                           {"layer_replication", {{0, 1}}},
                                                           {"modules_to_save", {"lm_head"}},
                                                           {"fan_in_fan_out", true},
                                                           {"use_qalora", true},
                                                           {"use_bdlora", {{"nblocks", 2}}},
                                                           {"arrow_config", {{"top_k", 2}}},
                                                           {"kasa_config", {{"beta", 0.1}}},
                                                           {"alora_invocation_tokens", {1, 2}},
                                                           {"trainable_token_indices", {5}},
                                                           {"velora_config", {{"scale", 1}}},
                                                           {"megatron_config", {{"a", 1}}},
                                                           {"monteclora_config", {{"n", 1}}},
                                                           {"ensure_weight_tying", true},
                                                           {"scaling_by_rank_squared", true},
                                                           {"some_new_method", "on"},
                                                           {"peft_type", "IA3"},
                                                           {"peft_type", nullptr},
                                                           {"r", 0},
                                                           {"r", -4},
                                                           {"r", 2.5},
                                                           {"r", "8"},
                                                           {"r", int64_t{1} << 40},
                                                           {"lora_alpha", 0},
                                                           {"lora_alpha", -1},
                                                           {"lora_alpha", 1e308},
                                                           {"lora_alpha", "16"},
                                                           {"lora_dropout", -0.1},
                                                           {"lora_dropout", 7},
                                                           {"use_rslora", "yes"},
                                                           {"rank_pattern", Json::array({1})},
                                                           {"rank_pattern", {{"q_proj", 2.5}}},
                                                           {"alpha_pattern", {{"q_proj", -3}}},
                                                           {"alpha_pattern", {{"nobody", -3}}},
                                                           {"alpha_pattern", "q_proj"},
                                                           {"target_parameters", "mlp.experts.down_proj"},
                                                           {"target_parameters", {1}},
                                                           {"base_model_name_or_path", 3}};
  for (const auto& [key, value] : table) {
    const std::string message = config_refusal(key, value);
    EXPECT_CONTAINS(message, "adapter_config.json") << key << value.dump();
    EXPECT_CONTAINS(message, key) << value.dump();
  }
}

/// What PEFT 0.21 writes beside them, each at a value that is not its default: the tensors tell the same.
TEST_F(ForeignAdapter, KeysThatSayNothingNewAreTaken) {
  const std::vector<std::pair<std::string, Json>> table = {{"task_type", "CAUSAL_LM"},
                                                           {"auto_mapping", {{"a", "b"}}},
                                                           {"revision", "main"},
                                                           {"inference_mode", false},
                                                           {"peft_version", "0.21.2"},
                                                           {"target_modules", "all-linear"},
                                                           {"exclude_modules", {"x"}},
                                                           {"layers_to_transform", {0, 1}},
                                                           {"layers_pattern", "layers"},
                                                           {"megatron_core", "megatron.core"},
                                                           {"loftq_config", {{"loftq_bits", 4}}},
                                                           {"eva_config", {{"rho", 2.0}}},
                                                           {"corda_config", {{"a", 1}}},
                                                           {"lora_ga_config", {{"a", 1}}},
                                                           {"qalora_group_size", 16},
                                                           {"use_dora", false},
                                                           {"bias", "none"},
                                                           {"new_key", nullptr},
                                                           {"new_flag", false},
                                                           {"target_parameters", Json::array()},
                                                           {"rank_pattern", nullptr},
                                                           {"lora_dropout", 0.5}};
  for (const auto& [key, value] : table)
    EXPECT_TRUE(with("adapter_config.json", config_, key, value, [&] { return read().adapters != nullptr; })) << key;
}

TEST_F(ForeignAdapter, PatternsThatExplodeAreRefused) {
  EXPECT_CONTAINS(config_refusal("rank_pattern", {{std::string(50000, '(') + std::string(50000, ')'), 8}}), "rank_pattern");
  EXPECT_CONTAINS(config_refusal("rank_pattern", {{"([a-z._0-9]*)*([a-z._0-9]*)*[xX]!?Z|([a-z_.0-9]+)+[AB]", 8}}), "too many steps");
}

TEST_F(ForeignAdapter, TensorsThatAreNoFactorsAreRefusedByName) {
  const std::string q = kLayer0 + "self_attn.q_proj.lora_A.weight";
  for (const at::ScalarType type : {at::kChar, at::kBool, at::kLong, at::kByte}) {
    const std::string message = tensor_refusal([&](TensorMap& all) { all[q] = all[q].to(type); });
    EXPECT_CONTAINS(message, q);
    EXPECT_CONTAINS(message, "expected BF16, F16, F32 or F64");
  }
  for (const char* name : {"x", "base_model", "base_model.model.", "base_model.model.lora_A.weight", "base_model.model..lora_A.weight"}) {
    const std::string message = tensor_refusal([&](TensorMap& all) { all[name] = at::zeros({3, 16}); });
    EXPECT_CONTAINS(message, "adapter_model.safetensors") << name;
  }
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{3}, {3, 16, 1}, {}, {0, 16}, {3, 0}})
    EXPECT_CONTAINS(tensor_refusal([&](TensorMap& all) { all[q] = at::zeros(shape); }), q) << shape.size();
  EXPECT_CONTAINS(tensor_refusal([&](TensorMap& all) { all[q] = at::zeros({3, 17}); }), "(3, 17); expected (3, 16)");
  const std::string embed = "base_model.model.model.embed_tokens.lora_A.weight",
                    embed_b = "base_model.model.model.embed_tokens.lora_B.weight";
  EXPECT_CONTAINS(tensor_refusal([&](TensorMap& all) {
                    all[embed] = at::zeros({3, 61}), all[embed_b] = at::zeros({16, 3});
                  }),
                  "embed_tokens");
}

TEST_F(ForeignAdapter, ValuesThatAreNotFiniteFailTheCheck) {
  const std::string q = kLayer0 + "self_attn.q_proj.lora_B.weight";
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
    TensorMap tensors = tensors_;
    tensors[q] = tensors[q].clone();
    tensors[q][1][2] = value;
    write_tensors(folder_ / "adapter_model.safetensors", tensors);
    EXPECT_CONTAINS(error_of<CheckFailed>([&] { read(); }), q);
  }
}

TEST_F(ForeignAdapter, NonsenseInHelloraJsonIsNamed) {
  const std::vector<std::pair<std::string, Json>> table = {{"train_on", "nonsense"},
                                                           {"train_on", 3},
                                                           {"format", "hellora.adapter/9"},
                                                           {"format", 1},
                                                           {"method", "full"},
                                                           {"model_hash", 5},
                                                           {"data_format", true},
                                                           {"chat_template", Json::array()},
                                                           {"plan", 3},
                                                           {"plan", nullptr},
                                                           {"scale", 2},
                                                           {"model", 2}};
  for (const auto& [key, value] : table) {
    const std::string message = ours_refusal(key, value);
    EXPECT_CONTAINS(message, "hellora.json") << key;
    EXPECT_CONTAINS(message, key) << value.dump();
  }
  Json plan = ours_["plan"];
  plan["layers"][0]["ranks"][0] = int64_t{1} << 62;
  EXPECT_CONTAINS(ours_refusal("plan", plan), "rank of expert 1");
}

TEST_F(ForeignAdapter, APlainOneIsTakenWithAWordOnWhatIsNotProven) {
  std::filesystem::remove(folder_ / "hellora.json");
  const auto warning = [&](const Path& model) {
    ::testing::internal::CaptureStderr();
    open_adapter(folder_.path(), model, tiny_shape(), []() -> std::string { throw std::logic_error("nothing to compare with"); });
    return ::testing::internal::GetCapturedStderr();
  };
  const std::string other = warning("models/else");
  EXPECT_CONTAINS(other, "nothing proves that models/else is its base");
  EXPECT_CONTAINS(other, "\"hub/Some-Base\", which is another model's name");
  for (const char* same : {"models/some-base", "models/some-base/", "cache/models--hub--Some-Base/snapshots/0123abcd"}) {
    EXPECT_CONTAINS(warning(same), "hub/Some-Base");
    EXPECT_EQ(warning(same).find("another model's name"), std::string::npos) << same;
  }
  EXPECT_CONTAINS(with("adapter_config.json", config_, "base_model_name_or_path", nullptr, [&] { return warning("m"); }), "names none");
}

TEST_F(ForeignAdapter, AHeadThatIsTiedIsNamed) {
  ModelShape tied = tiny_shape();
  tied.tied_embeddings = true;
  std::filesystem::remove(folder_ / "hellora.json");
  TensorMap tensors = tensors_;
  tensors["base_model.model.lm_head.lora_A.weight"] = at::zeros({3, 16});
  tensors["base_model.model.lm_head.lora_B.weight"] = at::zeros({61, 3});
  write_tensors(folder_ / "adapter_model.safetensors", tensors);
  EXPECT_CONTAINS(error_of<FormatError>([&] { read_adapter(folder_.path(), tied); }), "head is tied to the embedding");
  EXPECT_CONTAINS(error_of<ConfigError>([&] { find_sites(tied, tiny_config({"q", "lm_head"}), {}); }), "head is tied to the embedding");
  EXPECT_CONTAINS(tied_note(tied, tiny_config({"embed"})), "not merged");
  EXPECT_EQ(tied_note(tiny_shape(), tiny_config({"embed"})), "");
  EXPECT_EQ(tied_note(tied, tiny_config()), "");
}

/// What PEFT trains on fused experts: gate and up share A, each with half of B, and the order of its rows and columns is
/// einsum("o r e, e r i -> e o i").
TEST_F(ForeignAdapter, AFusedPairOfPeftIsCutIntoItsExperts) {
  const ModelShape shape = tiny_shape();
  const int64_t e = shape.experts, f = shape.expert_width, d = shape.hidden, r = 2;
  const Tensor a = random_tensor({r * e, d}, 1).to(at::kFloat), b = random_tensor({2 * f, r * e}, 2).to(at::kFloat);
  const Tensor down_a = random_tensor({3 * e, f}, 3).to(at::kFloat), down_b = random_tensor({d, 3 * e}, 4).to(at::kFloat);
  const std::string experts = "base_model.model.model.layers.1.mlp.experts";
  write_tensors(folder_ / "adapter_model.safetensors", {{experts + ".base_layer.lora_A.weight", a},
                                                        {experts + ".base_layer.lora_B.weight", b},
                                                        {experts + ".lora_A.weight", down_a},
                                                        {experts + ".lora_B.weight", down_b}});
  put_file(folder_ / "adapter_config.json", Json{{"peft_type", "LORA"},
                                                 {"r", 3},
                                                 {"lora_alpha", 12},
                                                 {"use_rslora", true},
                                                 {"rank_pattern", {{"experts.gate_up_proj", r}}},
                                                 {"alpha_pattern", {{"experts.gate_up_proj", 5}}},
                                                 {"target_parameters", {"mlp.experts.gate_up_proj", "mlp.experts.down_proj"}}}
                                                .dump());
  std::filesystem::remove(folder_ / "hellora.json");
  const LoadedAdapter loaded = read();
  const auto expect = [&](Slot slot, const Tensor& wanted_EOI) {
    const Adapter* adapter = loaded.adapters->find(1, slot);
    ASSERT_NE(adapter, nullptr);
    for (int64_t one = 0; one < e; ++one) {
      const LowRank part = low_rank_part(*adapter, static_cast<size_t>(one));
      const Tensor change = at::matmul(part.B_OR.to(at::kDouble), part.A_RI.to(at::kDouble)) * part.scale;
      EXPECT_LE((change - wanted_EOI[one]).abs().max().item<double>(), 1e-6);
    }
  };
  const Tensor both = at::einsum("ore,eri->eoi", {b.view({2 * f, r, e}), a.view({e, r, d})}).to(at::kDouble) * (5 / std::sqrt(2.0));
  expect(Slot::gate, both.narrow(1, 0, f));
  expect(Slot::up, both.narrow(1, f, f));
  expect(Slot::down, at::einsum("ore,eri->eoi", {down_b.view({d, 3, e}), down_a.view({e, 3, f})}).to(at::kDouble) * (12 / std::sqrt(3.0)));
}

}  // namespace
}  // namespace hellora::testing
