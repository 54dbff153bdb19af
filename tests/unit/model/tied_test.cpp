// Tied embeddings: one matrix in two places, trained in full or left alone.
#include "hellora/model/model_dir.h"
#include "tests/support/step.h"
#include "tests/support/tiny_model.h"
#include "tests/support/tolerances.h"

namespace hellora::testing {
namespace {

ModelShape tied_shape() {
  ModelShape shape = tiny_shape();
  shape.tied_embeddings = true;
  return shape;
}

/// A tied model with its embedding trained in full.
struct Tied {
  explicit Tied(at::ScalarType dtype) : model(tied_shape(), dtype), checkpoint(model.folder.path()) {
    AdapterConfig config = tiny_config({"embed"});
    config.method = "full";
    const BaseWeight base = [this](const std::string& name) { return base_weight(checkpoint, tied_shape(), name); };
    adapters = std::make_unique<AdapterSet>(find_sites(tied_shape(), config, Plan()), config, 1, base, dtype);
    randomise(*adapters, 3);
    model.decoder->bind(adapters.get());
  }
  TinyModel model;
  Checkpoint checkpoint;
  std::unique_ptr<AdapterSet> adapters;
};

TEST(TiedEmbeddings, TrainedInFullActInBothPlaces) {
  const Tied tied(at::kFloat);
  const TempFolder folder;
  const Batch batch = make_batch(std::vector<std::vector<int64_t>>{random_ids(20, tied_shape().vocab, 1)});
  write_full_model(tied.checkpoint, tied_shape(), *tied.adapters, folder / "model");
  EXPECT_TRUE(same_bytes(all_logits(*load_decoder(Checkpoint(folder / "model"), {}), batch), all_logits(*tied.model.decoder, batch)));
}

TEST(TiedEmbeddings, TheirGradientIsTheSumOfBothPlaces) {
  const Tied tied(at::kDouble);
  const TrainBatch data = train_batch({random_ids(20, tied_shape().vocab, 1)});
  backward_step(*tied.model.decoder, data);
  const Tensor direction = random_tensor(tied.adapters->specs()[0].shape, 4), param = tied.adapters->param(0).detach();
  const double got = (tied.adapters->grad(0) * direction).sum().item<double>();
  constexpr double kStep = 1e-6;  // as for the block: 1e-5 leaves a truncation error above the bound
  param.add_(direction, kStep);
  const double above = mean_loss(*tied.model.decoder, data);
  param.sub_(direction, 2 * kStep);
  EXPECT_NEAR(got, (above - mean_loss(*tied.model.decoder, data)) / (2 * kStep), kFiniteDifference * std::abs(got));
}

}  // namespace
}  // namespace hellora::testing
