#include "hellora/recipe/run_forecast.h"

#include <algorithm>
#include <cmath>
#include <iostream>

#include "hellora/core/json_text.h"
#include "hellora/core/text.h"
#include "hellora/recipe/drift.h"
#include "hellora/recipe/memory_plan.h"
#include "hellora/recipe/table.h"

namespace hellora {
namespace {

int64_t up(int64_t value, int64_t by) { return (value + by - 1) / by; }

/// Of the profile: with a warm-up they are trained on, otherwise only passed through.
int64_t profile_tokens(const SelectConfig& select, int64_t tokens) {
  const auto part = static_cast<int64_t>(std::ceil(select.fraction * static_cast<double>(tokens)));
  return select.mode == "base" && select.max_tokens > 0 ? std::min(part, select.max_tokens) : part;
}

RunWork work_of(const RunConfig& config, const RunForecast& f, bool profiles) {
  RunWork work;
  work.steps = f.steps - f.steps_done;
  work.step_tokens = f.tokens / std::max<int64_t>(1, f.steps_per_epoch);
  const int64_t between =
      config.train.eval_steps > 0 && f.eval_rows > 0 ? std::max<int64_t>(0, work.steps - 1) / config.train.eval_steps : 0;
  const int64_t each = f.eval_rows > 0 ? f.eval_tokens : std::min(HotDrift::kProbeTokens, f.tokens);
  work.forward_tokens = (2 + between) * each + 2 * f.forget_tokens;
  if (profiles) (config.select.mode == "base" ? work.forward_tokens : work.warmup_tokens) += profile_tokens(config.select, f.tokens);
  work.recompute = config.train.gradient_checkpointing;
  return work;
}

}  // namespace

RunForecast forecast_whole_run(const RunConfig& config, const Workspace& space, const RunRows& rows, bool profiles, int64_t steps_done) {
  const Dataset& train = *rows.train;
  const PackingRule rule = packing_rule(config);
  RunForecast f;
  f.rows = static_cast<int64_t>(train.examples.size());
  f.tokens = train.tokens();
  const auto count = [](const Dataset* data, int64_t* number, int64_t* tokens) {
    if (data == nullptr) return;
    *number = static_cast<int64_t>(data->examples.size());
    *tokens = data->tokens();
  };
  count(rows.eval, &f.eval_rows, &f.eval_tokens);
  count(rows.forget, &f.forget_rows, &f.forget_tokens);
  TrainJob job;
  job.data = &train;
  job.config = config.train;
  job.packing = rule;
  job.seed = static_cast<uint64_t>(config.seed);
  f.steps = total_steps(job);
  f.steps_done = steps_done;
  const auto epoch_steps = [&](const Dataset& data) {
    return up(static_cast<int64_t>(epoch_batches(data, rule, job.seed, 0).size()), config.train.grad_accumulation);
  };
  f.steps_per_epoch = epoch_steps(train);
  f.trainable = most_elements(config, space.decoder->shape()).trained;
  f.memory = forecast_most(config, space.decoder->shape());
  f.work = work_of(config, f, profiles);
  if (rows.forget != nullptr) f.work.forget_tokens = f.forget_tokens / std::max<int64_t>(1, epoch_steps(*rows.forget));
  f.time = forecast_time(time_forward(*space.decoder, train, rule), f.work);
  return f;
}

std::string forecast_line(const RunForecast& f) {
  return "at most " + human_bytes(static_cast<double>(f.memory.total())) + " of memory; " + time_text(f.time, f.work) + ", " +
         (f.work.warmup_tokens > 0 ? "profile and evaluations included" : "evaluations included");
}

std::string forecast_table(const RunForecast& f) {
  std::vector<std::vector<std::string>> rows = {{"training rows / tokens", with_commas(f.rows) + " / " + with_commas(f.tokens)}};
  if (f.eval_rows > 0) rows.push_back({"evaluation rows / tokens", with_commas(f.eval_rows) + " / " + with_commas(f.eval_tokens)});
  if (f.forget_rows > 0) rows.push_back({"rows / tokens to forget", with_commas(f.forget_rows) + " / " + with_commas(f.forget_tokens)});
  rows.push_back({"steps", with_commas(f.steps) + (f.steps_done > 0 ? " (" + with_commas(f.steps_done) + " are done)" : "")});
  rows.push_back({"steps per epoch", with_commas(f.steps_per_epoch)});
  rows.push_back({"tokens per step", with_commas(f.work.step_tokens)});
  rows.push_back({"trainable parameters, at most", with_commas(f.trainable)});
  rows.push_back({"memory, at most", human_bytes(static_cast<double>(f.memory.total()))});
  rows.push_back({"time of the whole run", "about " + about(f.time.low) + " to " + about(f.time.high)});
  return format_table(rows) + "nothing was written (--dry-run)\n";
}

Json forecast_json(const RunForecast& f) {
  Json json{{"rows", f.rows},
            {"tokens", f.tokens},
            {"eval_rows", f.eval_rows},
            {"eval_tokens", f.eval_tokens},
            {"steps", f.steps},
            {"steps_done", f.steps_done},
            {"steps_per_epoch", f.steps_per_epoch},
            {"tokens_per_step", f.work.step_tokens},
            {"trainable", f.trainable},
            {"forecast_rss_bytes", f.memory.total()},
            {"forecast_seconds", {f.time.low, f.time.high}}};
  if (f.forget_rows == 0) return json;
  json["forget_rows"] = f.forget_rows;
  json["forget_tokens"] = f.forget_tokens;
  return json;
}

int print_forecast(const RunForecast& forecast, bool json) {
  std::cout << (json ? dump_json(forecast_json(forecast)) + "\n" : forecast_table(forecast));
  return 0;
}

}  // namespace hellora
