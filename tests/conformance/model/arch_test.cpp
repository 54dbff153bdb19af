// Architectures: every row of the table, from its config.json to a checkpoint that loads, and every preset.
#include <set>

#include "hellora/core/error.h"
#include "hellora/model/count.h"
#include "hellora/train/memory.h"
#include "tests/support/step.h"
#include "tests/support/tables.h"
#include "tests/support/tensor_map.h"
#include "tests/support/tiny_model.h"
#include "tests/support/tolerances.h"

namespace hellora::testing {
namespace {

class ArchRow : public ::testing::TestWithParam<TableRow<Arch>> {
 protected:
  /// The tiny shape as this family's reader gives it.
  static ModelShape shape_with(const std::function<void(ModelShape&)>& change = {}) { return tiny_shape_of(GetParam().name(), change); }
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
      shape.layers = 2;
      shape.experts = 3;
    });
  }
  static std::string refusal(const std::function<void(TensorMap&)>& change) {
    const TempFolder folder;
    write_model(folder.path(), change);
    return error_of<FormatError>([&] { load_decoder(Checkpoint(folder.path()), {}); });
  }
};

/// Families with a fused layout.
class FusedRow : public ArchRow {};

std::vector<TableRow<Arch>> fused_rows() {
  std::vector<TableRow<Arch>> rows = table_rows(archs());
  std::erase_if(rows, [](const TableRow<Arch>& row) { return row->fused_gate_up.empty(); });
  return rows;
}

TEST_P(ArchRow, IsFoundByItsName) {
  EXPECT_EQ(&find_arch(GetParam().name(), "test"), &*GetParam());
  EXPECT_FALSE(GetParam()->models.empty());
  EXPECT_FALSE(GetParam()->defaults_source.empty());
  EXPECT_FALSE(GetParam()->status.empty());
  EXPECT_LE(GetParam()->hot.hot, GetParam()->hot.of);
}

TEST_P(ArchRow, ConfigSurvivesReadingAndWriting) {
  const std::vector<std::function<void(ModelShape&)>> changes = {
      {},
      [](ModelShape& s) { s.router.top_k = 3, s.router.renormalize = true; },
      [](ModelShape& s) { s.tied_embeddings = true; },
      [](ModelShape& s) { s.clip_qkv = 1.5; },
      [](ModelShape& s) { s.rope.theta = 1e6, s.rms_eps = 1e-6, s.aux_loss = 0.25; },
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
    const bool layered = row.path.find("{L}") != std::string_view::npos;
    EXPECT_EQ(is_expert_slot(row.slot), row.path.find("{E}") != std::string_view::npos) << row.path;
    for (int64_t layer = 0; layer < (layered ? 12 : 1); ++layer) {
      for (int64_t e = 0; e < (is_expert_slot(row.slot) ? 12 : 1); ++e) {
        const std::string path = parameter_name(*GetParam(), row.slot, layer, e);
        EXPECT_TRUE(paths.insert(path).second) << path;
        EXPECT_EQ(path.find('{'), std::string::npos) << path;
      }
    }
  }
  EXPECT_EQ(GetParam()->fused_gate_up.empty(), GetParam()->fused_down.empty());
  if (GetParam()->fused_down.empty()) return;
  EXPECT_FALSE(paths.contains(fill_pattern(GetParam()->fused_down, 0, -1)));
  EXPECT_NE(GetParam()->fused_gate_up, GetParam()->fused_down);
}

TEST_P(ArchRow, DefaultTargetsMatchTheModel) {
  const ModelShape shape = shape_with();
  const std::vector<Site> sites = find_sites(shape, tiny_config(), all_experts(shape));
  std::set<std::string_view> targets;
  for (const Site& site : sites) targets.insert(target_of(site.slot));
  EXPECT_EQ(targets.size(), resolve_targets(shape, tiny_config()).size());
  if (shape.experts == 0) return;
  const int64_t k = default_k(*GetParam(), shape.experts, shape.router.top_k);
  EXPECT_GE(k, 1);
  EXPECT_LE(k, shape.experts);
}

TEST_P(ArchRow, ARandomCheckpointLoadsAndHoldsEveryModule) {
  for (const bool tied : {false, true}) {
    const ModelShape shape = shape_with([&](ModelShape& s) { s.tied_embeddings = tied; });
    const TinyModel model(shape);
    const TensorMap tensors = tensors_of(model.folder.path());
    int64_t elements = 0;
    for (const auto& [name, tensor] : tensors) elements += tensor.numel();
    EXPECT_EQ(count_base(shape), elements);
    size_t named = 0;
    for_each_slot(shape, [&](Slot slot, int64_t layer) {
      const int64_t copies = is_expert_slot(slot) ? shape.experts : 1;
      for (int64_t e = 0; e < copies; ++e) {
        const std::string name = parameter_name(*GetParam(), slot, layer, e);
        EXPECT_TRUE(tensors.contains(name)) << name;
        ++named;
      }
    });
    EXPECT_EQ(named, tensors.size());
    const std::vector<std::vector<int64_t>> documents = {random_ids(20, shape.vocab, 1)};
    const Tensor logits = all_logits(*model.decoder, make_batch(documents));
    EXPECT_EQ(logits.sizes(), (at::IntArrayRef{20, shape.vocab}));
    EXPECT_TRUE(at::isfinite(logits).all().item<bool>());
    EXPECT_GT(logits.std().item<double>(), 0);
  }
}

TEST_P(ArchRow, TheForecastCountsWeightsAsLoaded) {
  const ModelShape shape = shape_with();
  const TinyModel model(shape);
  const ModelWeights& w = model.decoder->weights();
  int64_t bytes = w.arena.bytes() + static_cast<int64_t>(w.embed_VD.nbytes() + w.final_norm_D.nbytes());
  for (const LayerWeights& layer : w.layers) {
    for (const Slot slot : layer_slots()) bytes += layer.vector[slot].defined() ? static_cast<int64_t>(layer.vector[slot].nbytes()) : 0;
  }
  EXPECT_EQ(weight_bytes(shape, 4), bytes);
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

TEST_P(FusedRow, TheFusedLayoutIsTheSameModel) {
  const TempFolder plain, fused;
  write_model(plain.path());
  write_model(fused.path(), [](TensorMap& tensors) { fuse_experts(tensors, small_shape()); });
  EXPECT_EQ(model_hash(*load_decoder(Checkpoint(plain.path()), {})), model_hash(*load_decoder(Checkpoint(fused.path()), {})));
}

TEST_P(FusedRow, ATransposedFusedTensorIsRefusedEvenWhereItsShapeFits) {
  const ModelShape square = shape_with([](ModelShape& s) { s.expert_width = s.hidden / 2, s.shared_width = s.hidden; });
  const TempFolder folder;
  init_model(square, folder.path(), 3, true, 0.4);
  TensorMap tensors = tensors_of(folder.path());
  fuse_experts(tensors, square);
  const int64_t layer = routed_layers(square).back();
  for (const std::string_view name : {GetParam()->fused_gate_up, GetParam()->fused_down}) {
    Tensor& one = tensors.at(fill_pattern(name, layer, -1));
    one = one.transpose(1, 2).contiguous();
  }
  EXPECT_EQ(tensors.at(fill_pattern(GetParam()->fused_gate_up, layer, -1)).size(1), square.hidden) << "square: its shape tells nothing";
  write_tensors(folder / "model.safetensors", tensors);
  const std::string message = error_of<FormatError>([&] { load_decoder(Checkpoint(folder.path()), {}); });
  EXPECT_CONTAINS(message, fill_pattern(GetParam()->fused_down, layer, -1));
  EXPECT_CONTAINS(message, "transposed");
}

/// With a cache, one token after the other, the logits are those of one pass.
TEST_P(ArchRow, GenerationWithACacheEqualsOnePass) {
  const ModelShape shape = shape_with();
  const TinyModel model(shape, at::kDouble);
  const std::vector<std::vector<int64_t>> whole = {random_ids(17, shape.vocab, 1), random_ids(9, shape.vocab, 2)};
  const Tensor want = all_logits(*model.decoder, make_batch(whole));
  KvCache cache(shape.layers, 2);
  std::vector<Tensor> got[2];
  const at::NoGradGuard no_grad;
  for (size_t step = 0; step < 17; step += step == 0 ? 5 : 1) {  // a prompt of five tokens, then single ones
    const size_t width = step == 0 ? 5 : 1;
    std::vector<std::vector<int64_t>> parts;
    std::vector<int64_t> past, rows;
    for (const auto& ids : whole) {
      const auto begin = ids.begin() + static_cast<int64_t>(std::min(step, ids.size()));
      parts.emplace_back(begin, ids.begin() + static_cast<int64_t>(std::min(step + width, ids.size())));
      past.push_back(static_cast<int64_t>(std::min(step, ids.size())));
    }
    if (parts[1].empty()) parts.pop_back(), past.pop_back();
    const Batch batch = make_batch(parts, past);
    Forward forward;
    forward.cache = &cache;
    const Tensor logits = model.decoder->logits(model.decoder->hidden(batch, forward), {});
    for (size_t i = 0; i < parts.size(); ++i) got[i].push_back(logits.narrow(0, batch.segments[i].start, batch.segments[i].length));
  }
  EXPECT_TRUE(close_to(at::cat({at::cat(got[0]), at::cat(got[1])}), want, kSameMath64));
}

INSTANTIATE_TEST_SUITE_P(Table, ArchRow, ::testing::ValuesIn(table_rows(archs())), row_name<Arch>);
INSTANTIATE_TEST_SUITE_P(Table, FusedRow, ::testing::ValuesIn(fused_rows()), row_name<Arch>);

}  // namespace
}  // namespace hellora::testing
