// Architectures: every row of the table, from its config.json to a checkpoint that loads, and every preset.
#include <set>

#include "hellora/core/error.h"
#include "hellora/model/count.h"
#include "tests/support/step.h"
#include "tests/support/tables.h"
#include "tests/support/tensor_map.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

class ArchRow : public ::testing::TestWithParam<TableRow<Arch>> {
 protected:
  /// The tiny shape as this family's reader gives it.
  static ModelShape shape_with(const std::function<void(ModelShape&)>& change = {}) {
    ModelShape shape = tiny_shape();
    shape.arch = GetParam().name();
    if (change) change(shape);
    return read_shape(GetParam()->config(shape), "config.json");
  }
  static Json config_with(const std::function<void(ModelShape&)>& change = {}) { return GetParam()->config(shape_with(change)); }

  /// A model folder of the smallest kind; `change` may spoil its tensors.
  static void write_model(const Path& folder, const std::function<void(TensorMap&)>& change = {}) {
    init_model(small_shape(), folder, 3, true, 0.4);
    if (!change) return;
    TensorMap tensors = tensors_of(folder);
    change(tensors);
    write_tensors(folder / "model.safetensors", tensors);
  }
  static ModelShape small_shape() {
    return shape_with([](ModelShape& shape) {
      shape.layers = 1;
      shape.experts = 3;
    });
  }
  static std::string refusal(const std::function<void(TensorMap&)>& change) {
    const TempFolder folder;
    write_model(folder.path(), change);
    return error_of<FormatError>([&] { load_decoder(Checkpoint(folder.path()), {}); });
  }
};

TEST_P(ArchRow, IsFoundByItsName) {
  EXPECT_EQ(&find_arch(GetParam().name(), "test"), &*GetParam());
  EXPECT_FALSE(GetParam()->models.empty());
  EXPECT_FALSE(GetParam()->defaults_source.empty());
  EXPECT_GE(GetParam()->hot_k, 0);
}

TEST_P(ArchRow, ConfigSurvivesReadingAndWriting) {
  const std::vector<std::function<void(ModelShape&)>> changes = {
      {},
      [](ModelShape& s) {
        s.router = {3, true};
      },
      [](ModelShape& s) { s.tied_embeddings = true; },
      [](ModelShape& s) { s.clip_qkv = 1.5; },
      [](ModelShape& s) { s.rope_theta = 1e6, s.rms_eps = 1e-6, s.aux_loss = 0.25; },
      [](ModelShape& s) { s.kv_heads = 4, s.vocab = 99, s.expert_width = 20, s.max_positions = 77; },
  };
  std::set<std::string> seen;
  for (const auto& change : changes) {
    const Json config = config_with(change);
    EXPECT_EQ(config["model_type"], GetParam().name());
    EXPECT_EQ(GetParam()->config(read_shape(config, "config.json")), config);
    seen.insert(config.dump());
  }
  EXPECT_GE(seen.size(), 4U) << "the writer must follow the shape";
}

TEST_P(ArchRow, EveryKeyOfTheConfigIsReadOrMayBeAbsent) {
  size_t needed = 0;
  const Json whole = config_with();
  for (const auto& [key, unused] : whole.items()) {
    Json config = whole;
    config.erase(key);
    try {
      read_shape(config, "some/config.json");
    } catch (const FormatError& error) {
      EXPECT_CONTAINS(std::string(error.what()), "some/config.json");
      EXPECT_CONTAINS(std::string(error.what()), key);
      ++needed;
    }
  }
  EXPECT_GE(needed, 6U);
}

TEST_P(ArchRow, EveryModulePathIsUnique) {
  std::set<Slot> slots;
  std::set<std::string> paths;
  for (const SlotPath& row : GetParam()->paths) {
    EXPECT_TRUE(slots.insert(row.slot).second) << row.path;
    EXPECT_TRUE(has_slot(*GetParam(), row.slot));
    const bool layered = row.path.find("{L}") != std::string_view::npos;
    EXPECT_EQ(is_expert_slot(row.slot), row.path.find("{E}") != std::string_view::npos) << row.path;
    for (int64_t layer = 0; layer < (layered ? 12 : 1); ++layer) {
      for (int64_t e = 0; e < (is_expert_slot(row.slot) ? 12 : 1); ++e) {
        const std::string path = module_path(*GetParam(), row.slot, layer, e);
        EXPECT_TRUE(paths.insert(path).second) << path;
        EXPECT_EQ(path.find('{'), std::string::npos) << path;
      }
    }
  }
  EXPECT_FALSE(paths.contains(fill_pattern(GetParam()->fused_down, 0, -1)));
  EXPECT_NE(GetParam()->fused_gate_up, GetParam()->fused_down);
}

TEST_P(ArchRow, DefaultTargetsMatchTheModel) {
  const ModelShape shape = shape_with();
  const std::vector<Site> sites = find_sites(shape, tiny_config(), all_experts(shape));
  std::set<std::string_view> targets;
  for (const Site& site : sites) targets.insert(target_of(site.slot));
  EXPECT_EQ(targets.size(), resolve_targets(shape, tiny_config()).size());
  EXPECT_LE(GetParam()->hot_k, shape.experts);
}

TEST_P(ArchRow, ARandomCheckpointLoadsAndHoldsEveryModule) {
  for (const bool tied : {false, true}) {
    const ModelShape shape = shape_with([&](ModelShape& s) { s.tied_embeddings = tied; });
    const TinyModel model(shape);
    const TensorMap tensors = tensors_of(model.folder.path());
    int64_t elements = 0;
    for (const auto& [name, tensor] : tensors) elements += tensor.numel();
    EXPECT_EQ(count_base(shape), elements);
    for (const SlotPath& row : GetParam()->paths) {
      if (row.slot == Slot::lm_head && tied) continue;
      EXPECT_TRUE(tensors.contains(module_path(*GetParam(), row.slot, shape.layers - 1, shape.experts - 1) + ".weight")) << row.path;
    }
    const std::vector<std::vector<int64_t>> documents = {random_ids(20, shape.vocab, 1)};
    const Tensor logits = all_logits(*model.decoder, make_batch(documents));
    EXPECT_EQ(logits.sizes(), (at::IntArrayRef{20, shape.vocab}));
    EXPECT_TRUE(at::isfinite(logits).all().item<bool>());
    EXPECT_GT(logits.std().item<double>(), 0);
  }
}

TEST_P(ArchRow, AnyWrongMissingOrExtraTensorIsRefusedByName) {
  const TempFolder folder;
  write_model(folder.path());
  EXPECT_NO_THROW(load_decoder(Checkpoint(folder.path()), {}));
  for (const auto& [name, tensor] : tensors_of(folder.path())) {
    EXPECT_CONTAINS(refusal([&](TensorMap& all) { all.erase(name); }), name);
    EXPECT_CONTAINS(refusal([&](TensorMap& all) { all[name] = at::cat({tensor, tensor}); }), name);
    EXPECT_CONTAINS(refusal([&](TensorMap& all) { all[name + ".more"] = tensor; }), name + ".more");
  }
}

TEST_P(ArchRow, TheFusedLayoutIsTheSameModel) {
  const TempFolder plain, fused;
  write_model(plain.path());
  write_model(fused.path(), [](TensorMap& tensors) { fuse_experts(tensors, small_shape()); });
  EXPECT_EQ(model_hash(*load_decoder(Checkpoint(plain.path()), {})), model_hash(*load_decoder(Checkpoint(fused.path()), {})));
}

INSTANTIATE_TEST_SUITE_P(Table, ArchRow, ::testing::ValuesIn(table_rows(archs())), row_name<Arch>);

}  // namespace
}  // namespace hellora::testing
