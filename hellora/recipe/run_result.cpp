#include "hellora/recipe/run_result.h"

#include "hellora/core/hash.h"
#include "hellora/core/json_text.h"
#include "hellora/io/paths.h"
#include "hellora/io/staged_folder.h"
#include "hellora/model/count.h"
#include "hellora/model/model_dir.h"

namespace hellora {

Json summary_json(const RunConfig& config, const TrainOutcome& outcome, const Plan& plan, const Dataset& train) {
  const Ratios ratios = count_ratios(outcome.base, outcome.trainable, outcome.trainable_all_experts);
  double coverage = 0;
  for (const LayerPlan& layer : plan.layers) coverage += layer.coverage / static_cast<double>(plan.layers.size());
  Json json;
  json["eval"] = outcome.evaluated ? Json{{"loss_before", outcome.loss_before}, {"loss_after", outcome.loss_after}} : Json::object();
  json["data"] = dataset_facts(train);
  json["base"] = outcome.base;
  json["trainable"] = outcome.trainable;
  json["trainable_all_experts"] = outcome.trainable_all_experts;
  json["ratio_raw"] = ratios.raw;
  json["ratio_of_percentages"] = ratios.of_percentages;
  json["coverage_mean"] = coverage;
  json["coverage_start"] = outcome.result.audit["hot_set_drift"]["coverage_start"];
  json["coverage_end"] = outcome.result.audit["hot_set_drift"]["coverage_end"];
  json["steps"] = outcome.result.steps;
  if (outcome.best_step > 0) json["best_step"] = outcome.best_step;
  json["tokens"] = outcome.result.tokens;
  json["tokens_per_second"] = outcome.result.tokens_per_second();
  json["audit"] = outcome.result.audit_passed ? "passed" : "failed";
  json["peak_rss_bytes"] = peak_resident_bytes();
  json["forecast_rss_bytes"] = outcome.forecast.total();
  json["adapter"] = outcome.adapter.string();
  json["seed"] = config.seed;
  return json;
}

void write_run_adapter(const Path& folder, const AdapterSet& adapters, const RunOrigin& origin, int64_t step) {
  const RunConfig& config = *origin.config;
  // A template that is a file goes along: the adapter must not depend on a path.
  const bool from_file = config.data.chat_template != "auto" && is_file(config.data.chat_template);
  const AdapterOrigin stored{*origin.plan,
                             model_hash(*origin.space->decoder),
                             real_path(config.model).string(),  // wherever PEFT is started
                             origin.train->format,
                             config.data.train_on,
                             from_file ? kAdapterTemplate : config.data.chat_template,
                             Json{{"seed", config.seed}, {"steps", step}, {"data_hash", hex64(origin.train->hash)}}};
  write_adapter(folder, adapters, stored, origin.space->decoder->shape());
  if (from_file) write_text_atomic(folder / kAdapterTemplate, read_text(config.data.chat_template));
}

Path write_result(const AdapterSet& adapters, const RunOrigin& origin, int64_t step) {
  const bool adapter = adapters.method().makes_adapter;
  const Path folder = Path(origin.config->output) / (adapter ? "adapter" : "model");
  write_staged(folder, true, [&](const Path& staged) {
    if (adapter) {
      write_run_adapter(staged, adapters, origin, step);
    } else {
      write_full_model(*origin.space->checkpoint, origin.space->decoder->shape(), adapters, staged);
    }
  });
  return folder;
}

void write_audit(const RunConfig& config, const Json& audit) {
  write_text_atomic(Path(config.output) / "audit.json", dump_json(audit, 1) + "\n");
}

}  // namespace hellora
