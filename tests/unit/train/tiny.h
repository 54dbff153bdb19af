// A tiny model, data and adapters, put together as a training job.
#pragma once

#include "hellora/train/trainer.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {

/// A random example; the first `prompt` tokens carry no label.
inline void add_random(Dataset& data, int64_t length, int64_t prompt, uint64_t seed, int64_t record = 0) {
  const std::vector<int64_t> ids = random_ids(length, tiny_shape().vocab, seed);
  std::vector<int64_t> targets(ids.size(), kIgnore);
  for (int64_t t = prompt - 1; t + 1 < length; ++t) targets[static_cast<size_t>(t)] = ids[static_cast<size_t>(t) + 1];
  data.add(ids, targets, record);
}

inline Dataset random_dataset(int64_t count, int64_t length, int64_t prompt = 2, uint64_t seed = 3) {
  Dataset data;
  for (int64_t i = 0; i < count; ++i) add_random(data, length, prompt, seed + static_cast<uint64_t>(i), i);
  return data;
}

/// Everything a run needs; fields may be changed before go().
struct TinyRun {
  explicit TinyRun(const AdapterConfig& config = tiny_config(), at::ScalarType dtype = at::kFloat, const ModelShape& shape = tiny_shape())
      : model(shape, dtype), data(random_dataset(24, 12)), adapters(fresh_adapters(shape, tiny_plan(), config, dtype)) {
    job.config.max_steps = 6;
    job.config.lr = 1e-2;
    job.packing = {48, true, 12};
    job.seed = 11;
    job.identity = Json{{"model", "tiny"}, {"data", "random"}};
    job.audit = true;
  }

  /// Binds, trains, and keeps the losses of the steps.
  TrainResult go() {
    job.decoder = model.decoder.get();
    job.adapters = adapters.get();
    job.data = &data;
    if (bind) model.decoder->bind(adapters.get());
    const auto given = job.progress;
    job.progress = [this, given](const StepReport& step) {
      losses.push_back(step.loss);
      if (given) given(step);
    };
    const std::unique_ptr<TrainJob, void (*)(TrainJob*)> restore(&job, [](TrainJob* j) { j->decoder->bind(nullptr); });
    TrainResult result = train(job);
    job.progress = given;
    return result;
  }

  TinyModel model;
  Dataset data;
  std::unique_ptr<AdapterSet> adapters;
  TrainJob job;
  bool bind = true;
  std::vector<double> losses;
};

}  // namespace hellora::testing
