#include "hellora/cli/training.h"

#include "hellora/cli/drift.h"
#include "hellora/cli/memory_plan.h"
#include "hellora/cli/profile_run.h"
#include "hellora/cli/progress.h"
#include "hellora/cli/run_identity.h"
#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/eval/perplexity.h"
#include "hellora/model/count.h"

namespace hellora {
namespace {

constexpr int64_t kTrainPhase = 1;

}  // namespace

TrainOutcome run_training(RunConfig* config, Prepared& prepared, bool quiet) {
  Workspace& space = prepared.space;
  Decoder& decoder = *space.decoder;
  const Dataset& train = prepared.train;
  const Dataset* eval = prepared.eval ? &*prepared.eval : nullptr;
  const Plan& plan = prepared.plan;
  AdapterSet adapters(find_sites(decoder.shape(), config->adapter, plan, config->given.contains("adapter.rank")), config->adapter,
                      static_cast<uint64_t>(config->seed), base_reader(space));
  TrainOutcome outcome;
  outcome.base = count_base(decoder.shape());
  outcome.trainable = adapters.trainable();
  outcome.trainable_all_experts = count_trainable(decoder.shape(), config->adapter, all_experts(decoder.shape()));
  outcome.forecast = forecast_run(*config, decoder.shape(), adapters);
  log_info("trainable " + with_commas(outcome.trainable) + " of " + with_commas(outcome.base) + "; forecast peak memory " +
           human_bytes(static_cast<double>(outcome.forecast.total())));
  const Json identity = run_identity(*config, decoder, train, plan);
  const PackingRule rule = packing_rule(*config);
  const auto evaluate = [&](const Decoder& d) { return evaluate_dataset(d, *eval, rule); };
  const auto per_token = [](const LossSum& loss) { return loss.sum / static_cast<double>(loss.count); };
  outcome.evaluated = eval != nullptr;
  // Adapters are not bound yet: this is the base.
  HotDrift drift(decoder.shape(), plan, eval != nullptr ? *eval : train, eval != nullptr);
  const LossSum before = drift.measure(decoder, rule, HotDrift::start);
  if (eval != nullptr) outcome.loss_before = per_token(before);

  decoder.bind(&adapters);
  const auto unbind = [](Decoder* d) { d->bind(nullptr); };
  const std::unique_ptr<Decoder, decltype(unbind)> restore(&decoder, unbind);
  TrainJob job;
  job.decoder = &decoder;
  job.adapters = &adapters;
  job.data = &train;
  job.config = config->train;
  job.packing = rule;
  job.seed = static_cast<uint64_t>(config->seed);
  job.phase = kTrainPhase;
  if (eval != nullptr) job.evaluate = evaluate;
  job.progress = progress_printer("train", quiet);
  job.run_dir = config->output;
  job.resume = prepared.resume;
  job.identity = identity;
  job.audit = true;
  outcome.result = hellora::train(job);

  const LossSum after = drift.measure(decoder, rule, HotDrift::end);
  if (eval != nullptr) outcome.loss_after = per_token(after);
  outcome.result.audit["hot_set_drift"] = drift.report();
  write_result(*config, space, adapters, train, plan, identity, outcome);
  write_text_atomic(Path(config->output) / "audit.json", outcome.result.audit.dump(1) + "\n");
  // A resumed run may have other paths, threads and evaluation settings than at its start.
  write_text_atomic(Path(config->output) / "config.yaml", config_yaml(config));
  outcome.summary = summary_json(*config, outcome, plan);
  write_text_atomic(Path(config->output) / "summary.json", outcome.summary.dump(1) + "\n");
  if (!outcome.result.audit_passed) {
    throw CheckFailed("audit failed: " + outcome.result.audit["failures"][0].get<std::string>() + " (" +
                      std::to_string(outcome.result.audit["failures"].size()) + " in all; see " +
                      (Path(config->output) / "audit.json").string() + ")");
  }
  return outcome;
}

}  // namespace hellora
