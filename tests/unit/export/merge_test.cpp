// Merging: what is written is round(fp32(W) + ΔW) and nothing else, and the check sees every fault planted in a merge.
#include "hellora/export/merge.h"

#include <cmath>

#include "hellora/model/model_dir.h"
#include "tests/support/step.h"
#include "tests/support/tensor_map.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

/// A random base (bf16 as published ones, or fp32), trained adapters, and where a merge goes.
struct Merged {
  explicit Merged(bool fp32_base = false, const AdapterConfig& config = tiny_config(), const ModelShape& given = tiny_shape())
      : shape(given) {
    init_model(shape, folder / "base", 1, fp32_base, 0.4);
    base = std::make_unique<Checkpoint>(folder / "base");
    adapters = fresh_adapters(shape, tiny_plan(), config);
    randomise(*adapters, 31);
  }
  Path out() const { return folder / "merged"; }
  void merge(bool fp32) { merge_model(*base, shape, *adapters, out(), fp32); }
  MergeReport check() const { return check_merged(*base, shape, *adapters, Checkpoint(out())); }
  /// The check after `change` has altered the merged tensors.
  MergeReport check_after(const std::function<void(TensorMap&)>& change) {
    merge(false);
    TensorMap tensors = tensors_of(out());
    change(tensors);
    write_tensors(out() / "model.safetensors", tensors);
    return check();
  }
  ModelShape shape;
  TempFolder folder;
  std::unique_ptr<Checkpoint> base;
  std::unique_ptr<AdapterSet> adapters;
};

const std::string kDown = "model.layers.1.mlp.experts.2.down_proj.weight";

TEST(Merge, WritesTheRoundedSumAndKeepsEverythingElse) {
  for (const bool fp32 : {false, true}) {
    Merged m;
    m.merge(fp32);
    const TensorMap before = tensors_of(m.folder / "base"), after = tensors_of(m.out());
    ASSERT_EQ(before.size(), after.size());
    const Modules modules = modules_by_path(*m.adapters);
    for (const auto& [name, base] : before) {
      const auto it = modules.find(name.substr(0, name.rfind('.')));
      const Tensor wide = base.to(at::kFloat);
      const Tensor sum = it == modules.end() ? wide : wide + weight_change(it->second);
      EXPECT_TRUE(same_bytes(after.at(name), sum.to(fp32 ? at::kFloat : at::kBFloat16))) << name;
    }
    const MergeReport report = m.check();
    EXPECT_TRUE(report.passed()) << report.first_wrong;
    EXPECT_EQ(report.modules, static_cast<int64_t>(modules.size()));
    EXPECT_EQ(report.tensors, static_cast<int64_t>(before.size()));
  }
}

TEST(Merge, GivesTheLogitsOfTheBoundAdapter) {
  Merged m(true);
  m.merge(false);
  const Batch batch = make_batch(std::vector<std::vector<int64_t>>{random_ids(30, m.shape.vocab, 5)});
  const auto bound = load_decoder(*m.base, {}), merged = load_decoder(Checkpoint(m.out()), {});
  bound->bind(m.adapters.get());
  EXPECT_TRUE(close_to(all_logits(*merged, batch), all_logits(*bound, batch), 2e-5));
}

TEST(Merge, AFusedBaseBecomesTheSameModel) {
  Merged plain(true), fused(true);
  TensorMap tensors = tensors_of(fused.folder / "base");
  fuse_experts(tensors, fused.shape);
  write_tensors(fused.folder / "base" / "model.safetensors", tensors);
  fused.base = std::make_unique<Checkpoint>(fused.folder / "base");
  plain.merge(false);
  fused.merge(false);
  EXPECT_TRUE(fused.check().passed()) << fused.check().first_wrong;
  EXPECT_EQ(model_hash(*load_decoder(Checkpoint(fused.out()), {})), model_hash(*load_decoder(Checkpoint(plain.out()), {})));
}

TEST(Merge, ReportsTheRoundingLossByItsDefinition) {
  Merged m;
  m.merge(false);
  const TensorMap base = tensors_of(m.folder / "base"), merged = tensors_of(m.out());
  double error = 0, change = 0, largest = 0;
  for (const auto& [path, module] : modules_by_path(*m.adapters)) {
    const Tensor delta = weight_change(module).to(at::kDouble);
    const Tensor off = merged.at(path + ".weight").to(at::kDouble) - base.at(path + ".weight").to(at::kDouble) - delta;
    error += off.square().sum().item<double>();
    change += delta.square().sum().item<double>();
    largest = std::max(largest, std::sqrt(off.square().sum().item<double>() / delta.square().sum().item<double>()));
  }
  const MergeReport report = m.check();
  EXPECT_NEAR(report.rounding_loss, std::sqrt(error / change), 1e-9);
  EXPECT_NEAR(report.largest_loss, largest, 1e-9);
  EXPECT_GT(report.rounding_loss, 1e-5);  // bf16 does lose something
  m.merge(true);
  EXPECT_LT(m.check().rounding_loss, 1e-6);
}

TEST(MergeFault, OneWrongBitOfAnyTensorIsFound) {
  for (const std::string& name : {std::string("model.norm.weight"), std::string("lm_head.weight"), kDown}) {
    Merged m;
    const MergeReport report = m.check_after([&](TensorMap& all) { all.at(name).view({-1}).view(at::kShort)[3].bitwise_xor_(1); });
    EXPECT_FALSE(report.passed());
    EXPECT_CONTAINS(report.first_wrong, name + ", row ");
    EXPECT_EQ(report.wrong_bytes, 1);
  }
}

/// Values that are not finite: allowed where the base has them, a fault everywhere else.
TEST(MergeFault, ValuesThatAreNotFiniteAreFoundUnlessTheBaseHasThem) {
  for (const float bad : {NAN, INFINITY}) {
    for (const std::string& name : {std::string("model.embed_tokens.weight"), kDown}) {
      Merged m;
      TensorMap tensors = tensors_of(m.folder / "base");
      tensors.at(name)[3].fill_(bad);
      write_tensors(m.folder / "base" / "model.safetensors", tensors);
      m.base = std::make_unique<Checkpoint>(m.folder / "base");
      m.merge(false);
      const MergeReport report = m.check();
      EXPECT_TRUE(report.passed()) << report.first_wrong;
      EXPECT_TRUE(std::isfinite(report.rounding_loss) && report.rounding_loss > 0);
      Merged other;
      EXPECT_FALSE(other.check_after([&](TensorMap& all) { all.at(name)[3].fill_(bad); }).passed());
      Merged whole;
      EXPECT_FALSE(whole.check_after([&](TensorMap& all) { all.at(name).fill_(bad); }).passed());
    }
  }
}

TEST(MergeFault, ASumThatIsNotFiniteIsRefused) {
  for (const double alpha : {1e308, 1e40}) {
    AdapterConfig config = tiny_config();
    config.alpha = alpha;
    Merged m(false, config);
    EXPECT_CONTAINS(error_of<CheckFailed>([&] { m.merge(false); }), "the new value is");
  }
  Merged m;
  m.adapters->param(1).detach()[0][0] = NAN;
  EXPECT_CONTAINS(error_of<CheckFailed>([&] { m.merge(false); }), "the new value is nan");
  EXPECT_CONTAINS(error_of<CheckFailed>([&] { require_finite(*m.adapters, "adapter"); }), "row 0, holds a value that is not finite");
}

/// Large weights are worked on in pieces: the bits must be those of the whole product.
TEST(Pieces, GiveTheBitsOfTheWhole) {
  const Site site{0, Slot::q, 1536, 2048, {{-1, 12, 0, "model.layers.0.self_attn.q_proj"}}};
  Site embed{-1, Slot::embed, 4096, 768, {{-1, 12, 0, "model.embed_tokens"}}};
  AdapterSet adapters({embed, site}, tiny_config(), 1, BaseWeight());
  randomise(adapters, 5);
  for (const auto& [path, module] : modules_by_path(adapters)) {
    const bool embedding = module.site->slot == Slot::embed;
    const int64_t rows = embedding ? 4096 : 2048, width = embedding ? 768 : 1536;
    const Tensor base = random_tensor({rows, width}, 8).to(at::kFloat), whole = module.adapted_rows(base, 0);
    for (const int64_t step : {1365, 700, 1}) {
      for (int64_t first = 0; first < rows; first += step * (step == 1 ? 501 : 1)) {
        const int64_t count = std::min(step, rows - first);
        EXPECT_TRUE(same_bytes(module.adapted_rows(base.narrow(0, first, count), first), whole.narrow(0, first, count).contiguous()))
            << path << first;
      }
    }
    EXPECT_NEAR(change_norm(path, module), weight_change(module).to(at::kDouble).norm().item<double>(), 1e-6 * change_norm(path, module));
  }
}

TEST(MergeFault, AModuleThatWasSkippedIsFound) {
  Merged m;
  const TensorMap base = tensors_of(m.folder / "base");
  const MergeReport report = m.check_after([&](TensorMap& all) { all[kDown] = base.at(kDown); });
  EXPECT_FALSE(report.passed());
  EXPECT_CONTAINS(report.first_wrong, kDown);
}

TEST(MergeFault, SwappedExpertsAreFound) {
  Merged m;
  const MergeReport report = m.check_after([](TensorMap& all) {  // the change of expert 2 on expert 5, and the other way round
    std::swap(all.at("model.layers.1.mlp.experts.2.up_proj.weight"), all.at("model.layers.1.mlp.experts.5.up_proj.weight"));
  });
  EXPECT_FALSE(report.passed());
  EXPECT_CONTAINS(report.first_wrong, "model.layers.1.mlp.experts.2.up_proj");
}

TEST(MergeFault, MissingExtraAndReshapedTensorsAreFound) {
  for (const int which : {0, 1, 2}) {
    Merged m;
    const MergeReport report = m.check_after([&](TensorMap& all) {
      if (which == 0) all.erase("model.norm.weight");
      if (which == 1) all["model.extra.weight"] = all.at("model.norm.weight");
      if (which == 2) all[kDown] = all.at(kDown).t().contiguous();
    });
    EXPECT_FALSE(report.passed()) << which;
  }
}

TEST(MergeFault, AnAdapterWithoutItsTensorIsRefused) {
  Merged m;
  TensorMap tensors = tensors_of(m.folder / "base");
  tensors.erase(kDown);
  write_tensors(m.folder / "base" / "model.safetensors", tensors);
  const Checkpoint base(m.folder / "base");
  EXPECT_CONTAINS(error_of<StateError>([&] { merge_model(base, m.shape, *m.adapters, m.out(), false); }),
                  "model.layers.1.mlp.experts.2.down_proj has no tensor");
  EXPECT_FALSE(std::filesystem::exists(m.out()));
  m.merge(false);  // from the file that is still open
  const MergeReport report = check_merged(base, m.shape, *m.adapters, Checkpoint(m.out()));
  EXPECT_FALSE(report.passed());
}

TEST(MergeFault, AnEmbeddingThatTheHeadIsTiedToIsRefused) {
  ModelShape tied = tiny_shape();
  tied.tied_embeddings = true;
  Merged m(true, tiny_config({"embed", "q"}), tied);
  EXPECT_CONTAINS(error_of<StateError>([&] { m.merge(false); }), "model.embed_tokens cannot be merged");
  EXPECT_FALSE(std::filesystem::exists(m.out()));
}

}  // namespace
}  // namespace hellora::testing
