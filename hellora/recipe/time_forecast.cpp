#include "hellora/recipe/time_forecast.h"

#include <chrono>

#include "hellora/core/text.h"
#include "hellora/model/loss.h"

namespace hellora {
namespace {

constexpr double kStepLow = 2.5, kStepHigh = 4.2;  // forward passes that a training step is worth; see docs/performance.md
constexpr double kForwardLow = 0.9, kForwardHigh = 1.3;
constexpr double kLongPass = 3;  // seconds

double one_pass(const Decoder& decoder, const PackedBatch& packed) {
  const auto start = std::chrono::steady_clock::now();
  Forward forward;
  const Supervised rows = supervised_rows(packed.targets);
  if (rows.row_N.size(0) < static_cast<int64_t>(packed.ids.size())) forward.needed_N = rows.row_N;
  evaluate_loss(decoder, decoder.hidden(to_batch(packed), forward), rows, forward.context);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double time_forward(const Decoder& decoder, const Dataset& data, const PackingRule& rule) {
  const at::NoGradGuard no_grad;
  Dataset head = data;  // ordering all rows of a large file only to take the first would be waste
  int64_t tokens = 0;
  size_t rows = 0;
  while (rows < data.examples.size() && tokens < 2 * rule.tokens) tokens += static_cast<int64_t>(data.examples[rows++].ids.size());
  head.examples.resize(rows);
  const PackedBatch packed = pack(head, ordered_batches(head, rule).front());
  double seconds = one_pass(decoder, packed);
  if (seconds < kLongPass) seconds = one_pass(decoder, packed);
  return seconds / static_cast<double>(packed.ids.size());
}

TimeForecast forecast_time(double forward_seconds_per_token, const RunWork& work) {
  const auto steps = static_cast<double>(work.steps), second = steps * static_cast<double>(work.forget_tokens);
  const double trained = steps * static_cast<double>(work.step_tokens) + second + static_cast<double>(work.warmup_tokens);
  const double passed = static_cast<double>(work.forward_tokens) + second;  // the second stream is measured before its gradient
  const double more = work.recompute ? 1 : 0;
  const auto seconds = [&](double step, double forward) {
    return forward_seconds_per_token * (trained * (step + more) + passed * forward);
  };
  return {seconds(kStepLow, kForwardLow), seconds(kStepHigh, kForwardHigh)};
}

std::string about(double seconds) {
  if (seconds < 100) return fixed(seconds, seconds < 10 ? 1 : 0) + " s";
  if (seconds < 100 * 60) return fixed(seconds / 60, 0) + " min";
  return fixed(seconds / 3600, seconds < 36000 ? 1 : 0) + " h";
}

std::string time_text(const TimeForecast& forecast, const RunWork& work) {
  return "about " + about(forecast.low) + " to " + about(forecast.high) + " for " + with_commas(work.steps) + " steps of " +
         with_commas(work.step_tokens) + " tokens";
}

}  // namespace hellora
