#include "hellora/recipe/training.h"

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/io/paths.h"
#include "hellora/model/count.h"
#include "hellora/recipe/evaluation.h"
#include "hellora/recipe/forget_check.h"
#include "hellora/recipe/memory_plan.h"
#include "hellora/recipe/pace.h"
#include "hellora/recipe/profile_run.h"
#include "hellora/recipe/progress.h"
#include "hellora/recipe/run_facts.h"
#include "hellora/train/first_gradients.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

constexpr int64_t kTrainPhase = 1;
constexpr int64_t kFirstExamples = 50;  // whose gradients a method starts from, where it does

/// What an adapter starts from.
BaseWeight start_reader(const RunConfig& config, Prepared& prepared, const std::vector<Site>& sites) {
  const BaseWeight base = base_reader(prepared.space);
  if (!find_method(config.adapter.method).needs_gradients) return base;
  log_info("gradients of " + std::to_string(kFirstExamples) + " examples before the first step");
  return with_gradients(base, std::make_shared<FirstGradients>(*prepared.space.decoder, sites, prepared.train, packing_rule(config),
                                                               static_cast<uint64_t>(config.seed), kFirstExamples, base));
}

std::vector<Site> adapted_sites(const RunConfig& config, const Prepared& prepared) {
  return find_sites(prepared.space.decoder->shape(), config.adapter, prepared.plan, config.given.contains("adapter.rank"));
}

/// One training run from its first evaluation to its summary.
class RunTraining {
 public:
  RunTraining(RunConfig* config, Prepared& prepared)
      : config_(*config),
        prepared_(prepared),
        decoder_(*prepared.space.decoder),
        adapters_(adapted_sites(*config, prepared), config->adapter, static_cast<uint64_t>(config->seed),
                  start_reader(*config, prepared, adapted_sites(*config, prepared))),
        rule_(packing_rule(*config)),
        evaluation_(decoder_.shape(), prepared.plan, prepared.train, prepared.eval ? &*prepared.eval : nullptr, rule_),
        forget_(prepared.to_forget(), rule_),
        load_(decoder_.shape(), prepared.plan),
        line_("train") {
    job_.decoder = &decoder_;
    job_.adapters = &adapters_;
    job_.data = &prepared.train;
    job_.forget = prepared.to_forget();
    job_.config = config->train;
    job_.packing = rule_;
    job_.seed = static_cast<uint64_t>(config->seed);
    job_.phase = kTrainPhase;
    if (prepared.eval) job_.evaluate = [this](const Decoder& decoder) { return evaluation_.again(decoder); };
    job_.evaluated = [this](int64_t step, double loss) { evaluation_.tell(step, loss); };
    job_.load = &load_;
    if (prepared.eval) job_.evaluation_data = hex64(prepared.eval->hash);
    job_.progress = [this, show = step_printer(line_)](const StepReport& report) {
      show(report);
      const std::string warning = pace_.note(report.tokens, report.seconds);
      if (!warning.empty()) log_warn(warning);
    };
    job_.run_dir = config->output;
    job_.resume = prepared.resume;
    job_.resume_command = prepared.resume_command;
    job_.identity = prepared.identity;
    job_.audit = true;
    if (adapters_.method().makes_adapter)
      job_.write_adapter = [this](const Path& folder, int64_t step) { write_run_adapter(folder, adapters_, origin(), step); };
  }
  RunTraining(const RunTraining&) = delete;
  RunTraining& operator=(const RunTraining&) = delete;
  ~RunTraining() { decoder_.bind(nullptr); }

  TrainOutcome run() {
    describe();
    const std::optional<double> before = evaluation_.before(decoder_);  // adapters are not bound yet: this is the base
    forget_.before(decoder_);
    stop_if_interrupted("stopped before the first step; continue with: " + prepared_.resume_command);
    outcome_.loss_before = before.value_or(0);
    if (before) evaluation_.tell(0, *before);
    decoder_.bind(&adapters_);
    Trainer trainer(job_);
    if (job_.resume.empty()) trainer.note_evaluation(before);
    outcome_.result = trainer.run();
    // Before the last evaluation: whatever happens from here on, what was trained is there.
    outcome_.adapter = write_result(adapters_, origin(), outcome_.result.steps);
    write_audit(config_, outcome_.result.audit);
    tell_early_stop();
    measure_end();
    trainer.note_evaluation(outcome_.evaluated ? std::optional(outcome_.loss_after) : std::nullopt);
    if (config_.train.keep_best) take_best(trainer);
    finish();
    return std::move(outcome_);
  }

 private:
  RunOrigin origin() const { return {&config_, &prepared_.space, &prepared_.train, &prepared_.plan}; }

  void describe() {
    const ModelShape& shape = decoder_.shape();
    outcome_.evaluated = prepared_.eval.has_value();
    outcome_.makes_adapter = adapters_.method().makes_adapter;
    outcome_.base = count_base(shape);
    outcome_.trainable = adapters_.learning();
    outcome_.trainable_all_experts = count_trainable(shape, config_.adapter, all_experts(shape));
    outcome_.forecast = forecast_run(config_, shape, adapters_);
    log_info("trainable " + with_commas(outcome_.trainable) + " of " + with_commas(outcome_.base) + "; forecast peak memory " +
             human_bytes(static_cast<double>(outcome_.forecast.total())));
  }

  void tell_early_stop() const {
    const Evaluations& e = outcome_.result.evaluations;
    if (!outcome_.result.stopped_early) return;
    log_info("stopped early after step " + std::to_string(outcome_.result.steps) + ": " + std::to_string(e.stale) +
             " evaluations without a lower loss than " + fixed(e.best_loss, 4) + " of step " + std::to_string(e.best_step) +
             "; a larger train.early_stop, or 0, goes on");
  }

  void measure_end() {
    const LossSum after = evaluation_.again(decoder_);
    forget_.after(decoder_);
    stop_if_interrupted("stopped in the last evaluation; the result is in " + outcome_.adapter.string() +
                        ", the summary comes with: " + prepared_.resume_command);
    forget_.tell();
    if (!outcome_.evaluated) return evaluation_.warn();
    outcome_.loss_after = after.sum / static_cast<double>(after.count);
    evaluation_.tell(outcome_.best_step > 0 ? outcome_.best_step : outcome_.result.steps, outcome_.loss_after);
  }

  /// With train.keep_best the result is that of the lowest evaluation loss, the last one included.
  void take_best(Trainer& trainer) {
    const Evaluations& e = outcome_.result.evaluations;
    outcome_.best_step = outcome_.result.steps;
    if (e.best_step == 0 || e.best_step == outcome_.result.steps || outcome_.loss_after < e.best_loss) return;
    const auto all = list_checkpoints(config_.output);
    const auto best = all.find(e.best_step);
    if (best == all.end())
      throw StateError(config_.output + ": the checkpoint of step " + std::to_string(e.best_step) + ", the best one, is gone");
    outcome_.best_step = e.best_step;
    const TrainResult back = trainer.go_back(best->second);
    outcome_.result.audit = back.audit;
    outcome_.result.audit_passed = back.audit_passed;
    outcome_.adapter = write_result(adapters_, origin(), outcome_.best_step);
    log_info("the result is that of step " + std::to_string(e.best_step) +
             ", whose evaluation loss was the lowest: " + fixed(e.best_loss, 4));
    measure_end();
  }

  void finish() {
    Json& audit = outcome_.result.audit;
    audit["hot_set_drift"] = evaluation_.report();
    write_audit(config_, audit);
    outcome_.summary = summary_json(config_, outcome_, prepared_.plan, prepared_.train);
    if (const Json forgotten = forget_.report(); !forgotten.is_null()) outcome_.summary["forget"] = forgotten;
    prepared_.time.add("training", outcome_.result.seconds);
    prepared_.time.add("evaluation", evaluation_.seconds());
    add_facts(outcome_.summary, config_, prepared_.plan, prepared_.forecast, prepared_.time);
    write_text_atomic(Path(config_.output) / "summary.json", dump_json(outcome_.summary, 1) + "\n");
    if (outcome_.result.audit_passed) return;
    throw CheckFailed("audit failed: " + audit["failures"][0].get<std::string>() + " (" + std::to_string(audit["failures"].size()) +
                      " in all; see " + (Path(config_.output) / "audit.json").string() + ")");
  }

  const RunConfig& config_;
  Prepared& prepared_;
  Decoder& decoder_;
  AdapterSet adapters_;
  PackingRule rule_;
  Evaluation evaluation_;
  ForgetCheck forget_;
  ExpertLoad load_;
  Progress line_;
  Pace pace_;
  TrainJob job_;
  TrainOutcome outcome_;
};

}  // namespace

TrainOutcome run_training(RunConfig* config, Prepared& prepared) { return RunTraining(config, prepared).run(); }

}  // namespace hellora
