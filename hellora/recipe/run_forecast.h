// What a run will take, said before it starts: rows, steps, memory and time.
#pragma once

#include "hellora/recipe/time_forecast.h"
#include "hellora/recipe/workspace.h"
#include "hellora/train/memory.h"

namespace hellora {

struct RunForecast {
  int64_t rows = 0, tokens = 0, eval_rows = 0, eval_tokens = 0, forget_rows = 0, forget_tokens = 0;
  int64_t steps = 0, steps_done = 0, steps_per_epoch = 0;
  int64_t trainable = 0;  // at most: the plan may not be known yet
  Forecast memory;        // of so many
  RunWork work;           // that is left
  TimeForecast time;      // of that
};

/// What a run reads; null: nothing.
struct RunRows {
  const Dataset *train = nullptr, *eval = nullptr, *forget = nullptr;
};

/// Times one forward pass. `profiles`: whether a profile is taken first; `steps_done`: of a run that goes on.
RunForecast forecast_whole_run(const RunConfig& config, const Workspace& space, const RunRows& rows, bool profiles, int64_t steps_done);

/// "at most 338 MiB of memory; about 40 s to 70 s for 150 steps of 1,980 tokens, profile and evaluations included"
std::string forecast_line(const RunForecast& forecast);

/// What `--dry-run` prints on standard output; returns the exit code.
int print_forecast(const RunForecast& forecast, bool json);
std::string forecast_table(const RunForecast& forecast);
Json forecast_json(const RunForecast& forecast);

}  // namespace hellora
