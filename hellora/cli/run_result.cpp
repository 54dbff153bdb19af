#include "hellora/cli/run_result.h"

#include "hellora/export/formats.h"
#include "hellora/io/paths.h"
#include "hellora/model/count.h"
#include "hellora/model/model_dir.h"

namespace hellora {

Json summary_json(const RunConfig& config, const TrainOutcome& outcome, const Plan& plan) {
  const Ratios ratios = count_ratios(outcome.base, outcome.trainable, outcome.trainable_all_experts);
  double coverage = 0;
  for (const LayerPlan& layer : plan.layers) coverage += layer.coverage / static_cast<double>(plan.layers.size());
  Json json;
  json["eval"] = outcome.evaluated ? Json{{"loss_before", outcome.loss_before}, {"loss_after", outcome.loss_after}} : Json::object();
  json["base"] = outcome.base;
  json["trainable"] = outcome.trainable;
  json["trainable_all_experts"] = outcome.trainable_all_experts;
  json["ratio_raw"] = ratios.raw;
  json["ratio_of_percentages"] = ratios.of_percentages;
  json["coverage_mean"] = coverage;
  json["coverage_start"] = outcome.result.audit["hot_set_drift"]["coverage_start"];
  json["coverage_end"] = outcome.result.audit["hot_set_drift"]["coverage_end"];
  json["steps"] = outcome.result.steps;
  json["tokens"] = outcome.result.tokens;
  json["tokens_per_second"] = outcome.result.tokens_per_second();
  json["audit"] = outcome.result.audit_passed ? "passed" : "failed";
  json["peak_rss_bytes"] = peak_resident_bytes();
  json["forecast_rss_bytes"] = outcome.forecast.total();
  json["adapter"] = outcome.adapter.string();
  json["seed"] = config.seed;
  return json;
}

void write_result(const RunConfig& config, Workspace& space, const AdapterSet& adapters, const Dataset& train, const Plan& plan,
                  const Json& identity, TrainOutcome& outcome) {
  outcome.makes_adapter = adapters.method().makes_adapter;
  if (!outcome.makes_adapter) {
    outcome.adapter = Path(config.output) / "model";
    write_full_model(*space.checkpoint, space.decoder->shape(), adapters, outcome.adapter);
    return;
  }
  // A template that is a file goes along: the adapter must not depend on a path.
  const bool from_file = config.data.chat_template != "auto" && path_exists(config.data.chat_template);
  AdapterOrigin origin{plan,
                       model_hash(*space.decoder),
                       config.model,
                       train.format,
                       config.data.train_on,
                       from_file ? kAdapterTemplate : config.data.chat_template,
                       Json{{"seed", config.seed}, {"steps", outcome.result.steps}, {"data_hash", identity["data"]}}};
  outcome.adapter = Path(config.output) / "adapter";
  write_adapter(outcome.adapter, adapters, origin, space.decoder->shape());
  if (from_file) write_text_atomic(outcome.adapter / kAdapterTemplate, read_text(config.data.chat_template));
}

}  // namespace hellora
