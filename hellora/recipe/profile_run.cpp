#include "hellora/recipe/profile_run.h"

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/eval/perplexity.h"
#include "hellora/model/model_dir.h"
#include "hellora/recipe/progress.h"
#include "hellora/select/policy.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

constexpr int64_t kWarmupPhase = 0;
constexpr int64_t kFewTokens = 65536;  // profiles below this are noisy

/// Counts with the base model.
void count_with_base(const RunConfig& config, const Workspace& space, const Dataset& part, RouteCounter& counter) {
  const auto enough = [&] { return config.select.max_tokens > 0 && counter.tokens >= config.select.max_tokens; };
  Observer* observers[] = {&counter};
  Progress line("profile");
  const auto begin = [&](const PackedBatch& batch) {
    if (enough() || interrupt_requested()) return false;
    counter.begin(batch, part);
    return true;
  };
  evaluate_dataset(*space.decoder, part, packing_rule(config), observers, begin, [&](int64_t done, int64_t total, const LossSum&) {
    line.show(done, enough() ? done : total, with_commas(counter.tokens) + " tokens");
  });
  stop_if_interrupted("");
}

/// Stage 1 of the paper: a short LoRA run over all experts; its adapters are thrown away with this scope.
void count_in_warmup(const RunConfig& config, Workspace& space, const Dataset& part, RouteCounter& counter) {
  const ModelShape& shape = space.decoder->shape();
  AdapterConfig warm = config.adapter;
  warm.method = "lora";
  warm.targets = {"auto"};
  AdapterSet adapters(find_sites(shape, warm, all_experts(shape)), warm, static_cast<uint64_t>(config.seed), base_reader(space));
  space.decoder->bind(&adapters);
  TrainJob job;
  job.decoder = space.decoder.get();
  job.adapters = &adapters;
  job.data = &part;
  job.config = config.train;
  job.config.epochs = 1;
  job.config.max_steps = 0;
  job.config.eval_steps = job.config.save_steps = 0;
  job.packing = packing_rule(config);
  job.seed = static_cast<uint64_t>(config.seed);
  job.phase = kWarmupPhase;
  job.observers = {&counter};
  job.before_batch = [&](const PackedBatch& batch) { counter.begin(batch, part); };
  Progress line("profile");
  job.progress = step_printer(line);
  const auto unbind = [&](Decoder* decoder) { decoder->bind(nullptr); };
  const std::unique_ptr<Decoder, decltype(unbind)> restore(space.decoder.get(), unbind);
  hellora::train(job);
}

}  // namespace

bool takes_profile(const RunConfig& config, const ModelShape& shape) {
  return config.select.plan.empty() && config.select.policy != "all" && shape.experts > 0;
}

BaseWeight base_reader(const Workspace& space) {
  return [&space](const std::string& name) { return base_weight(*space.checkpoint, space.decoder->shape(), name); };
}

Plan make_plan(const RunConfig& config, const Decoder& decoder, const Profile* profile) {
  if (!config.select.plan.empty()) {
    Plan plan = read_plan(config.select.plan);
    const std::string hash = plan.model_hash.empty() ? "" : model_hash(decoder);
    if (hash != plan.model_hash) {
      throw StateError(config.select.plan + ": the plan was made for another model (hash " + plan.model_hash + ", this one is " + hash +
                       ")");
    }
    return plan;
  }
  if (profile == nullptr && !takes_profile(config, decoder.shape())) return all_experts(decoder.shape());
  HELLORA_CHECK(profile != nullptr, "this policy needs a profile");
  const int64_t rank = config.select.rank_by == "coverage" ? config.adapter.rank : 0;
  return select_experts(*profile, config.select, auto_k(decoder.shape()), static_cast<uint64_t>(config.seed), rank);
}

Profile take_profile(const RunConfig& config, Workspace& space, const Dataset& train, const std::string& resume_command) {
  Dataset part = train;
  const auto wanted = static_cast<size_t>(std::ceil(config.select.fraction * static_cast<double>(train.examples.size())));
  part.examples.resize(std::max<size_t>(1, std::min(wanted, part.examples.size())));
  const ModelShape& shape = space.decoder->shape();
  if (shape.experts == 0) throw ConfigError(config.model + ": a dense " + shape.arch + " model has no experts to profile");
  RouteCounter counter(routed_layers(shape), shape.experts, config.select.tokens == "label");
  try {
    const InterruptGuard guard;
    if (config.select.mode == "base") {
      count_with_base(config, space, part, counter);
    } else {
      count_in_warmup(config, space, part, counter);
    }
  } catch (const Interrupted&) {
    throw Interrupted("stopped in the profile, of which nothing is kept" +
                      (resume_command.empty() ? std::string() : "; begin it again with: " + resume_command));
  }
  Profile profile;
  profile.model_type = shape.arch;
  profile.model_hash = model_hash(*space.decoder);
  profile.mode = config.select.mode;
  profile.tokens_counted = config.select.tokens;
  profile.data = config.data.train;
  profile.data_hash = hex64(train.hash);
  profile.tokens = counter.tokens;
  profile.skipped_bad = train.skipped_bad;
  profile.experts = shape.experts;
  profile.top_k = shape.router.top_k;
  profile.layers = std::move(counter.layers);
  if (profile.tokens < kFewTokens) {
    log_warn("the profile holds " + with_commas(profile.tokens) + " tokens; below " + with_commas(kFewTokens) +
             " the ranking of experts is noisy");
  }
  return profile;
}

}  // namespace hellora
