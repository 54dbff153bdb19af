// Exports are adapters: what any format wrote, hellora reads again, with the same weight change of every module.
#include <map>

#include "hellora/export/formats.h"
#include "tests/support/step.h"
#include "tests/support/tables.h"
#include "tests/support/tensor_map.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

constexpr double kSame = 1e-6;  // a folded scale rounds once in fp32

std::map<std::string, Tensor> changes(const AdapterSet& adapters) {
  std::map<std::string, Tensor> out;
  for (const auto& [path, module] : modules_by_path(adapters)) out[path] = weight_change(module).to(at::kDouble);
  return out;
}

void expect_same(const AdapterSet& native, const AdapterSet& read) {
  const auto wanted = changes(native);
  auto found = changes(read);
  for (const auto& [path, change] : wanted) {
    const Tensor other = found.contains(path) ? found.extract(path).mapped() : at::zeros_like(change);
    EXPECT_LE((other - change).norm().item<double>(), kSame * change.norm().item<double>()) << path;
  }
  for (const auto& [path, change] : found) EXPECT_EQ(change.norm().item<double>(), 0) << path;
}

class ReadBackRow : public ::testing::TestWithParam<TableRow<Arch>> {
 protected:
  static std::vector<AdapterConfig> configs() {
    AdapterConfig stable = tiny_config();
    stable.method = "rslora";
    stable.alpha = 6.5;
    std::vector<AdapterConfig> all = {tiny_config(), stable};
    if (find_arch(GetParam().name(), "t").fused_gate_up.empty()) return all;
    for (const std::vector<std::string>& targets : std::vector<std::vector<std::string>>{{"gate"}, {"down"}, {"up", "down", "q"}})
      all.push_back(tiny_config(targets));
    return all;
  }
  static Plan plan(const ModelShape& shape) {
    Plan plan;
    for (const int64_t layer : routed_layers(shape)) plan.layers.push_back({layer, {{1, 5}, {4, 2}}, 0.5});
    return plan;
  }
};

TEST_P(ReadBackRow, EveryFormatIsReadAsTheNativeAdapter) {
  const ModelShape shape = tiny_shape_of(GetParam().name());
  const TinyModel model(shape);
  const Batch batch = make_batch(std::vector<std::vector<int64_t>>{random_ids(24, shape.vocab, 1)});
  for (const AdapterConfig& config : configs()) {
    const auto native = fresh_adapters(shape, plan(shape), config);
    randomise(*native, 21);
    model.decoder->bind(native.get());
    const Tensor wanted = all_logits(*model.decoder, batch);
    for (const ExportFormat& format : export_formats()) {
      if (format.name == "peft-fused" && shape.experts > 0 && GetParam()->fused_gate_up.empty()) continue;  // refused for this family
      const TempFolder folder;
      format.write(folder.path(), *native, {}, shape);
      const LoadedAdapter read = read_adapter(folder.path(), shape);
      EXPECT_TRUE(read.origin.plain);
      expect_same(*native, *read.adapters);
      model.decoder->bind(read.adapters.get());
      EXPECT_LE((all_logits(*model.decoder, batch) - wanted).abs().max().item<double>(), 1e-4) << format.name;
    }
    model.decoder->bind(nullptr);
  }
}

/// Where every scale and rank is the same, nothing is folded: the fused file gives the native factors back bit for bit.
TEST_P(ReadBackRow, AFusedFileHoldsTheNativeFactorsThemselves) {
  if (GetParam()->fused_gate_up.empty()) return;
  const ModelShape shape = tiny_shape_of(GetParam().name());
  Plan same = plan(shape);
  for (LayerPlan& layer : same.layers) layer.experts = {{0, 0}, {3, 0}};
  const auto native = fresh_adapters(shape, same, tiny_config({"gate", "up", "down"}));
  randomise(*native, 4);
  const TempFolder folder;
  find_export("peft-fused").write(folder.path(), *native, {}, shape);
  const LoadedAdapter read = read_adapter(folder.path(), shape);
  ASSERT_EQ(read.adapters->specs().size(), native->specs().size());
  for (size_t i = 0; i < native->specs().size(); ++i) {
    EXPECT_EQ(read.adapters->specs()[i].name, native->specs()[i].name);
    EXPECT_TRUE(same_bytes(read.adapters->param(i), native->param(i))) << native->specs()[i].name;
  }
}

TEST_P(ReadBackRow, ASpoiledFusedFileIsRefusedByName) {
  if (GetParam()->fused_gate_up.empty()) return;
  const ModelShape shape = tiny_shape_of(GetParam().name());
  const auto native = fresh_adapters(shape, plan(shape));
  randomise(*native, 4);
  const TempFolder folder;
  find_export("peft-fused").write(folder.path(), *native, {}, shape);
  const Path file = folder / "adapter_model.safetensors", settings = folder / "adapter_config.json";
  TensorMap tensors;
  {
    const SafetensorsFile good(file);
    for (const TensorInfo& info : good.tensors()) tensors[info.name] = read_tensor(info, good.bytes(info));
  }
  const auto refusal = [&](const std::function<void(TensorMap&)>& change) {
    TensorMap spoiled = tensors;
    change(spoiled);
    write_tensors(file, spoiled);
    std::string message = error_of<FormatError>([&] { read_adapter(folder.path(), shape); });
    write_tensors(file, tensors);
    return message;
  };
  const int64_t layer = routed_layers(shape).back();
  const std::string experts = "base_model.model.model.layers." + std::to_string(layer) + ".mlp.experts";
  for (const std::string& name : {experts + ".lora_A.weight", experts + ".base_layer.lora_A.weight", experts + ".lora_B.weight"}) {
    EXPECT_CONTAINS(refusal([&](TensorMap& all) { all.erase(name); }), experts) << name;
    EXPECT_CONTAINS(refusal([&](TensorMap& all) { all[name] = all[name].narrow(0, 0, 1).contiguous(); }), name);
    EXPECT_CONTAINS(refusal([&](TensorMap& all) { all[name] = all[name].to(at::kChar); }), name);
  }
  Json config = parse_json(slurp(settings), "c");
  for (const Json& parameters : {Json(nullptr), Json::array({"mlp.experts.up_proj"})}) {
    config["target_parameters"] = parameters;
    put_file(settings, config.dump());
    EXPECT_CONTAINS(error_of<FormatError>([&] { read_adapter(folder.path(), shape); }), "target_parameters");
  }
}

INSTANTIATE_TEST_SUITE_P(Archs, ReadBackRow, ::testing::ValuesIn(table_rows(archs())), row_name<Arch>);

}  // namespace
}  // namespace hellora::testing
