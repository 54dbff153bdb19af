// Export formats: every row of the table writes adapters whose weight change reads back, and every spoiled file is caught.
#include "hellora/export/formats.h"

#include <functional>
#include <set>

#include "tests/support/tables.h"
#include "tests/support/tensor_map.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

constexpr double kSame = 1e-6;  // what `hellora check` allows

const ModelShape& shape() {
  static const ModelShape tiny = tiny_shape();
  return tiny;
}

std::unique_ptr<AdapterSet> random_adapters(const Plan& plan, const AdapterConfig& config) {
  auto adapters = fresh_adapters(shape(), plan, config);
  randomise(*adapters, 21);
  return adapters;
}

Plan plan_of_ranks() {
  Plan plan = tiny_plan();
  plan.layers[0].experts = {{1, 5}, {4, 2}};
  return plan;
}

/// Adapters of many kinds: all targets, single projections, ranks of their own, rank-stabilised scale, experts of one layer only.
std::vector<std::unique_ptr<AdapterSet>> kinds() {
  std::vector<std::unique_ptr<AdapterSet>> all;
  for (const std::vector<std::string>& targets : std::vector<std::vector<std::string>>{
           {"auto"}, {"gate"}, {"up"}, {"down"}, {"gate", "down"}, {"up", "down", "q", "lm_head"}, {"router", "o"}}) {
    all.push_back(random_adapters(tiny_plan(), tiny_config(targets)));
  }
  AdapterConfig stable = tiny_config();
  stable.method = "rslora";
  stable.alpha = 6.5;
  all.push_back(random_adapters(plan_of_ranks(), stable));
  Plan one_layer;
  one_layer.layers = {{1, {{3, 0}}, 0.5}};
  all.push_back(random_adapters(one_layer, tiny_config()));
  all.push_back(random_adapters(all_experts(shape()), tiny_config()));
  return all;
}

/// The same adapter with the pairs of two members of a site exchanged in place.
void swap_members(AdapterSet& adapters, int64_t layer, Slot slot, size_t first, size_t second) {
  const Adapter* adapter = adapters.find(layer, slot);
  for (const auto part : {&LowRank::A_RI, &LowRank::B_OR}) {
    Tensor a = (low_rank_part(*adapter, first).*part).detach(), b = (low_rank_part(*adapter, second).*part).detach();
    const Tensor kept = a.clone();
    a.copy_(b);
    b.copy_(kept);
  }
}

class ExportRow : public ::testing::TestWithParam<TableRow<ExportFormat>> {
 protected:
  static void write(const Path& folder, const AdapterSet& adapters) { GetParam()->write(folder, adapters, {}, shape()); }
  static ChangeDifference compare(const Path& folder, const AdapterSet& adapters) {
    return compare_export(*GetParam(), folder, adapters, shape());
  }
  /// Whether the comparison finds a difference or the reader refuses the folder.
  static bool caught(const Path& folder, const AdapterSet& adapters) {
    try {
      return !(compare(folder, adapters).largest <= kSame);
    } catch (const Error&) {
      return true;
    } catch (const CheckFailed&) {
      return true;
    }
  }
  /// A good export with one change of its settings.
  static bool caught_with(const std::function<void(Json&)>& change) {
    const TempFolder folder;
    const auto adapters = random_adapters(tiny_plan(), tiny_config());
    write(folder / "out", *adapters);
    const Path file = folder / "out" / "adapter_config.json";
    Json config = parse_json(slurp(file), "config");
    change(config);
    put_file(file, config.dump());
    return caught(folder / "out", *adapters);
  }
  /// A good export with one change of its tensors.
  static bool caught_after(const std::function<void(TensorMap&)>& change) {
    const TempFolder folder;
    const auto adapters = random_adapters(tiny_plan(), tiny_config());
    write(folder / "out", *adapters);
    const Path file = folder / "out" / "adapter_model.safetensors";
    TensorMap tensors = tensors_in(file);
    change(tensors);
    write_tensors(file, tensors);
    return caught(folder / "out", *adapters);
  }
  static TensorMap tensors_in(const Path& file) {
    TensorMap tensors;
    const SafetensorsFile opened(file);
    for (const TensorInfo& info : opened.tensors()) tensors[info.name] = read_tensor(info, opened.bytes(info));
    return tensors;
  }
};

TEST_P(ExportRow, TheChangeOfEveryModuleReadsBack) {
  for (const auto& adapters : kinds()) {
    const TempFolder folder;
    write(folder / "out", *adapters);
    EXPECT_EQ(detect_export(folder / "out").name, GetParam()->name);
    const Modules modules = modules_by_path(*adapters);
    const ChangeDifference difference = compare(folder / "out", *adapters);
    EXPECT_LE(difference.largest, kSame) << difference.where;
    EXPECT_EQ(difference.modules, static_cast<int64_t>(modules.size()));
    // Once more without the comparison that the program uses.
    std::set<std::string> seen;
    GetParam()->read(folder / "out", shape(), [&](const std::string& path, const FileChange& found) {
      EXPECT_TRUE(seen.insert(path).second) << path << " is visited twice";
      const Tensor change = found.whole();
      const auto it = modules.find(path);
      const Tensor want = it == modules.end() ? at::zeros_like(change) : weight_change(it->second).to(at::kDouble);
      EXPECT_TRUE(close_to(change, want, 1e-5)) << path;
    });
    for (const auto& [path, module] : modules) EXPECT_TRUE(seen.contains(path)) << path;
  }
}

TEST_P(ExportRow, CarriesEveryExpertOfTheModel) {
  const TempFolder folder;
  write(folder / "out", *random_adapters(tiny_plan(), tiny_config({"down"})));
  std::set<std::string> seen;
  GetParam()->read(folder / "out", shape(), [&](const std::string& path, const FileChange&) { seen.insert(path); });
  EXPECT_EQ(static_cast<int64_t>(seen.size()), shape().layers * shape().experts);
}

TEST_P(ExportRow, AMissingOrSpoiledTensorIsCaught) {
  const TempFolder folder;
  const auto adapters = random_adapters(tiny_plan(), tiny_config());
  write(folder / "out", *adapters);
  const Path file = folder / "out" / "adapter_model.safetensors";
  const TensorMap good = tensors_in(file);
  for (const auto& [name, tensor] : good) {
    TensorMap missing = good, spoiled = good;
    missing.erase(name);
    write_tensors(file, missing);
    EXPECT_TRUE(caught(folder / "out", *adapters)) << name << " is missing";
    const size_t factor = name.rfind(".lora_") + 6;  // a zero pair changes nothing while one of its factors is zero: spoil both
    std::string other = name;
    other[factor] = name[factor] == 'A' ? 'B' : 'A';
    for (const std::string& one : {name, other}) spoiled[one] = good.at(one) + 0.01;
    write_tensors(file, spoiled);
    EXPECT_TRUE(caught(folder / "out", *adapters)) << name << " is spoiled";
  }
  write_tensors(file, good);
  EXPECT_FALSE(caught(folder / "out", *adapters));
}

TEST_P(ExportRow, AWrongScaleIsCaught) {
  const TempFolder folder;
  const auto adapters = random_adapters(tiny_plan(), tiny_config());
  write(folder / "out", *adapters);
  Json config = parse_json(slurp(folder / "out" / "adapter_config.json"), "config");
  config["lora_alpha"] = config["lora_alpha"].get<double>() + 1;
  put_file(folder / "out" / "adapter_config.json", config.dump());
  EXPECT_TRUE(caught(folder / "out", *adapters));
}

TEST_P(ExportRow, ValuesThatAreNotFiniteAreCaught) {
  EXPECT_FALSE(caught_after([](TensorMap&) {}));
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const bool all : {false, true}) {
      EXPECT_TRUE(caught_after([&](TensorMap& tensors) {
        for (auto& [name, tensor] : tensors) {
          if (all || &tensor == &tensors.begin()->second) tensor.view({-1})[-1] = bad;
        }
      })) << bad;
    }
  }
  for (const double bad : {0.0, -1.0, 1e308}) {
    EXPECT_TRUE(caught_with([&](Json& config) { config["lora_alpha"] = bad; })) << bad;
  }
  for (const int64_t bad : {0, -3, 1, 1 << 20}) {
    EXPECT_TRUE(caught_with([&](Json& config) { config["r"] = bad; })) << bad;
  }
}

TEST_P(ExportRow, WrongNamesAndShapesAreCaught) {
  EXPECT_FALSE(caught_with([](Json&) {}));
  const auto rename = [](const char* to) { return [to](TensorMap& tensors) { tensors[to] = tensors.extract(tensors.begin()).mapped(); }; };
  for (const char* name : {"x", "", "base_model", "base_model.model.", "base_model.model..lora_A.weight", "lora_A.weight"}) {
    EXPECT_TRUE(caught_after(rename(name))) << name;
  }
  using Reshape = Tensor (*)(const Tensor&);
  for (const Reshape reshape : std::initializer_list<Reshape>{
           [](const Tensor& t) { return t.flatten(); }, [](const Tensor& t) { return t.t().contiguous(); },
           [](const Tensor& t) { return t.unsqueeze(0); }, [](const Tensor& t) { return t.narrow(1, 0, 1).contiguous(); },
           [](const Tensor& t) {
             return at::cat({t, t});
           },
           [](const Tensor& t) { return t.to(at::kChar); }, [](const Tensor& t) { return t.narrow(0, 0, 0).contiguous(); }}) {
    EXPECT_TRUE(caught_after([&](TensorMap& tensors) {
      for (auto& [name, tensor] : tensors) {
        if (name.find(".experts.") != std::string::npos) tensor = reshape(tensor);
      }
    }));
    EXPECT_TRUE(caught_after([&](TensorMap& tensors) { tensors.begin()->second = reshape(tensors.begin()->second); }));
  }
}

/// What PEFT would not load is no proof of anything.
TEST_P(ExportRow, SettingsThatLeaveModulesOutAreCaught) {
  EXPECT_TRUE(caught_with([](Json& config) { config["target_modules"] = Json::array({"no_proj"}); }));
  EXPECT_TRUE(caught_with([](Json& config) { config["target_modules"] = 3; }));
  EXPECT_TRUE(caught_with([](Json& config) { config["layers_to_transform"] = Json::array({0}); }));
  EXPECT_TRUE(caught_with([](Json& config) { config["use_rslora"] = true; }));
  EXPECT_TRUE(caught_with([](Json& config) { config["use_dora"] = true; }));
  EXPECT_TRUE(caught_with([](Json& config) { config["rank_pattern"] = {{"q_proj", 2}}; }));
}

TEST_P(ExportRow, CarriesItsBaseAndSixteenBitFactors) {
  const TempFolder folder;
  const auto adapters = random_adapters(tiny_plan(), tiny_config());
  GetParam()->write(folder / "out", *adapters, {"org/model", at::kBFloat16}, shape());
  const Json config = parse_json(slurp(folder / "out" / "adapter_config.json"), "config");
  EXPECT_EQ(config["base_model_name_or_path"], "org/model");
  for (const auto& [name, tensor] : tensors_in(folder / "out" / "adapter_model.safetensors"))
    EXPECT_EQ(tensor.scalar_type(), at::kBFloat16) << name;
  const ChangeDifference difference = compare(folder / "out", *adapters);
  EXPECT_LE(difference.largest, kSame) << difference.where;
  EXPECT_GT(difference.rounding_loss, 1e-4);
  EXPECT_LT(difference.rounding_loss, 1e-2);
  TensorMap tensors = tensors_in(folder / "out" / "adapter_model.safetensors");
  for (auto& [name, tensor] : tensors) tensor.view({-1})[0] *= 1.01;  // one step of bf16
  write_tensors(folder / "out" / "adapter_model.safetensors", tensors);
  EXPECT_TRUE(caught(folder / "out", *adapters));
}

/// Seeded faults: an export that exchanges experts or projections, or leaves a projection or an expert out.
TEST_P(ExportRow, SwappedOrMissingPartsAreCaught) {
  const auto adapters = random_adapters(tiny_plan(), tiny_config());
  const auto caught_after = [&](const std::function<void(AdapterSet&)>& fault, const std::vector<std::string>& targets, const Plan& plan) {
    const auto wrong = random_adapters(plan, tiny_config(targets));
    for (size_t p = 0; p < wrong->specs().size(); ++p) {
      for (size_t q = 0; q < adapters->specs().size(); ++q) {
        if (wrong->specs()[p].name == adapters->specs()[q].name) wrong->param(p).detach().copy_(adapters->param(q).detach());
      }
    }
    fault(*wrong);
    const TempFolder folder;
    write(folder / "out", *wrong);
    return caught(folder / "out", *adapters);
  };
  const auto nothing = [](AdapterSet&) {};
  EXPECT_FALSE(caught_after(nothing, {"auto"}, tiny_plan()));
  for (const Slot slot : {Slot::gate, Slot::up, Slot::down}) {
    EXPECT_TRUE(caught_after([&](AdapterSet& set) { swap_members(set, 1, slot, 0, 2); }, {"auto"}, tiny_plan())) << target_of(slot);
  }
  for (const char* missing : {"q", "k", "v", "o", "router", "gate", "up", "down"}) {
    std::vector<std::string> rest;
    for (const std::string& target : resolve_targets(shape(), tiny_config())) {
      if (target != missing) rest.push_back(target);
    }
    EXPECT_TRUE(caught_after(nothing, rest, tiny_plan())) << missing;
  }
  Plan fewer = tiny_plan(), moved = tiny_plan();
  fewer.layers[1].experts.pop_back();
  moved.layers[0].experts[1].expert = 5;
  EXPECT_TRUE(caught_after(nothing, {"auto"}, fewer));
  EXPECT_TRUE(caught_after(nothing, {"auto"}, moved));
}

INSTANTIATE_TEST_SUITE_P(Table, ExportRow, ::testing::ValuesIn(table_rows(export_formats())), row_name<ExportFormat>);

TEST(ExportTable, UnknownNamesListTheKnownOnes) {
  std::set<std::string_view> names;
  const std::string message = error_of<ConfigError>([] { find_export("gguf"); });
  for (const ExportFormat& format : export_formats()) {
    EXPECT_TRUE(names.insert(format.name).second) << format.name;
    EXPECT_EQ(&find_export(std::string(format.name)), &format);
    const FormatText& text = find_format_text(format.name);
    EXPECT_FALSE(text.readers.empty() || text.needs.empty() || text.made_by.empty()) << format.name;
    EXPECT_CONTAINS(message, std::string(format.name));
  }
}

TEST(ExportTable, TheManualSaysWhatTheProgramSays) {
  const std::string manual = slurp("docs/serving.md");
  for (const FormatText& text : format_texts()) {
    EXPECT_CONTAINS(manual, "| `" + std::string(text.name) + "` |");
    EXPECT_CONTAINS(manual, "| " + std::string(text.readers) + " | " + std::string(text.needs) + " |");
  }
}

}  // namespace
}  // namespace hellora::testing
