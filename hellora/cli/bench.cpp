// Training steps on synthetic weights: no download, true widths, as many layers as asked for.
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/table.h"
#include "hellora/cli/workspace.h"
#include "hellora/core/error.h"
#include "hellora/core/rng.h"
#include "hellora/core/text.h"
#include "hellora/model/init.h"
#include "hellora/train/memory.h"

namespace hellora {
namespace {

/// A folder that disappears with the object.
struct ScratchFolder {
  Path path = std::filesystem::temp_directory_path() / ("hellora-bench-" + std::to_string(getpid()));
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

/// Rows of random ids, every token supervised.
Dataset random_rows(int64_t rows, int64_t length, int64_t vocab, uint64_t seed) {
  Dataset data;
  data.format = "text";
  for (int64_t r = 0; r < rows; ++r) {
    Example example;
    example.record = r;
    for (int64_t i = 0; i < length; ++i) {
      const auto bits = philox(make_key(seed, hash_text("bench"), r), {static_cast<uint32_t>(i), 0, 0, 0});
      example.ids.push_back(static_cast<int64_t>(bits[0] % static_cast<uint64_t>(vocab)));
    }
    example.targets.assign(example.ids.begin() + 1, example.ids.end());
    example.targets.push_back(kIgnore);
    data.examples.push_back(std::move(example));
  }
  return data;
}

Plan first_experts(const ModelShape& shape, int64_t hot) {
  Plan plan = all_experts(shape);
  for (LayerPlan& layer : plan.layers) layer.experts.resize(static_cast<size_t>(hot));
  return plan;
}

struct Phases {
  double step = 0, forward = 0, backward = 0, optimizer = 0;
  int64_t tokens = 0;
};

class Bench : public Command {
 public:
  void declare(CLI::App& app) override {
    CLI::App* step = app.add_subcommand("step", "whole training steps: tokens per second and seconds by phase");
    app.require_subcommand(1);
    step->add_option("--arch", arch_, "a published model: see `hellora archs`");
    step->add_option("--layers", layers_, "only so many layers; 0: all")->check(CLI::Range(0, 4096));
    step->add_option("--tokens", tokens_, "tokens of a step")->check(CLI::Range(1, 1 << 22));
    step->add_option("--seq-len", length_, "tokens of a document")->check(CLI::Range(2, 1 << 20));
    step->add_option("--hot", hot_, "adapted experts per layer; 0: none")->check(CLI::Range(0, 65536));
    step->add_option("--rank", adapter_.rank, "rank")->check(CLI::Range(1, 65536));
    step->add_option("--dropout", adapter_.dropout, "dropout of adapter inputs")->check(CLI::Range(0.0, 0.99));
    step->add_option("--weights", weights_, "how frozen weights are kept")->check(CLI::IsMember({"bf16", "fp32"}));
    step->add_option("--steps", steps_, "timed steps, after one that is not")->check(CLI::Range(1, 100000));
    step->add_option("--threads", step_threads_, "threads; 0: all cores")->check(CLI::Range(0, 4096));
    step->add_flag("--json", step_json_, "one JSON object on standard output");
  }

  int run(const Common& common) override {
    if (step_threads_ > 0) at::set_num_threads(static_cast<int>(step_threads_));
    ModelShape shape = find_preset(arch_);
    if (layers_ > 0) shape.layers = layers_;
    if (hot_ > shape.experts)
      throw ConfigError("bench: --hot " + std::to_string(hot_) + " but the model has " + std::to_string(shape.experts) + " experts");
    const ScratchFolder scratch;
    init_model(shape, scratch.path, static_cast<uint64_t>(common.seed), weights_ == "fp32");
    const Workspace space = open_model(scratch.path, weights_, false);
    const Phases phases = time_steps(space, static_cast<uint64_t>(common.seed));
    const auto per_step = [&](double seconds) { return seconds / static_cast<double>(steps_); };
    const double rate = static_cast<double>(phases.tokens) / phases.step;
    if (common.json || step_json_) {
      std::cout << Json{{"arch", arch_},
                        {"layers", shape.layers},
                        {"tokens", tokens_},
                        {"hot", hot_},
                        {"rank", adapter_.rank},
                        {"threads", at::get_num_threads()},
                        {"tokens_per_second", rate},
                        {"seconds",
                         {{"step", per_step(phases.step)},
                          {"forward", per_step(phases.forward)},
                          {"backward", per_step(phases.backward)},
                          {"optimizer", per_step(phases.optimizer)}}},
                        {"peak_rss_bytes", peak_resident_bytes()}}
                       .dump()
                << "\n";
      return 0;
    }
    std::cout << format_table({{"tokens per second", fixed(rate, 1)},
                               {"seconds per step", fixed(per_step(phases.step), 3)},
                               {"  forward", fixed(per_step(phases.forward), 3)},
                               {"  backward", fixed(per_step(phases.backward), 3)},
                               {"  optimizer", fixed(per_step(phases.optimizer), 3)},
                               {"peak memory", human_bytes(static_cast<double>(peak_resident_bytes()))}});
    return 0;
  }

 private:
  Phases time_steps(const Workspace& space, uint64_t seed) const {
    const ModelShape& shape = space.decoder->shape();
    AdapterSet adapters(find_sites(shape, adapter_, first_experts(shape, hot_)), adapter_, seed, BaseWeight());
    space.decoder->bind(&adapters);
    const int64_t length = std::min(length_, tokens_), rows = std::max<int64_t>(1, tokens_ / length);
    const Dataset data = random_rows(rows * (steps_ + 1), length, shape.vocab, seed);
    TrainJob job;
    job.decoder = space.decoder.get();
    job.adapters = &adapters;
    job.data = &data;
    job.config.max_steps = steps_ + 1;
    job.packing = {rows * length, true, length};
    job.seed = seed;
    Phases total;
    job.progress = [&](const StepReport& r) {
      if (r.step == 1) return;
      total.step += r.seconds;
      total.forward += r.forward_seconds;
      total.backward += r.backward_seconds;
      total.optimizer += r.optimizer_seconds;
      total.tokens += rows * length;
    };
    train(job);
    space.decoder->bind(nullptr);
    return total;
  }

  AdapterConfig adapter_;
  std::string arch_ = "olmoe-1b-7b", weights_ = "bf16";
  int64_t layers_ = 2, tokens_ = 2048, length_ = 512, hot_ = 8, steps_ = 3, step_threads_ = 0;
  bool step_json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_bench() { return std::make_unique<Bench>(); }

}  // namespace hellora
