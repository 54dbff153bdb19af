// The circumstances of a run, for its summary: program, processor, settings as they were resolved, and where the time went.
#pragma once

#include "hellora/recipe/run_forecast.h"
#include "hellora/recipe/time_spent.h"

namespace hellora {

/// Adds version, kernel, threads, compute, k, coverage_layers, steps_per_epoch, forecast_seconds, wall_seconds and seconds.
void add_facts(Json& summary, const RunConfig& config, const Plan& plan, const RunForecast& forecast, const TimeSpent& time);

/// Rows for a table: the coverage of each layer, or of many layers the mean, the ends and a line of bars.
std::vector<std::vector<std::string>> coverage_rows(const Plan& plan);

/// "48s: training 22s, profile 20s, evaluation 5s, other 1s", from a summary's `seconds`.
std::string spent_text(const Json& seconds);

}  // namespace hellora
