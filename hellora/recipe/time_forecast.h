// How long a run will take, from a short measurement: said before it starts.
#pragma once

#include <string>

#include "hellora/core/json.h"
#include "hellora/data/packing.h"
#include "hellora/model/decoder.h"

namespace hellora {

/// What a run has to do, in tokens that pass through the model.
struct RunWork {
  int64_t steps = 0;           // that are left
  int64_t step_tokens = 0;     // of one step, in the mean
  int64_t forget_tokens = 0;   // that a second stream adds to each step, in the mean
  int64_t warmup_tokens = 0;   // of a profile that trains
  int64_t forward_tokens = 0;  // of a profile without training, and of all evaluations
  bool recompute = false;      // layers run again in the backward pass
};

/// Seconds; the truth is expected between the two unless the machine does something else too.
struct TimeForecast {
  double low = 0, high = 0;
};

/// Seconds per token of a forward pass, measured on the first micro-batch of the data: the second of two passes, or the only one where it
/// takes more than three seconds.
double time_forward(const Decoder& decoder, const Dataset& data, const PackingRule& rule);

/// A training step costs between kStepLow and kStepHigh forward passes (docs/performance.md).
TimeForecast forecast_time(double forward_seconds_per_token, const RunWork& work);

/// "about 12 min to 20 min for 300 steps of 2,048 tokens"
std::string time_text(const TimeForecast& forecast, const RunWork& work);

/// "41 s", "12 min", "3.5 h"
std::string about(double seconds);

}  // namespace hellora
