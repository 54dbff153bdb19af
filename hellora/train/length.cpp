#include "hellora/train/length.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/train/schedule.h"

namespace hellora {
namespace {

constexpr int64_t kAlwaysCounted = 100;              // epochs
constexpr int64_t kMostShuffled = int64_t{1} << 21;  // examples: well below a second

int64_t up(int64_t value, int64_t by) { return (value + by - 1) / by; }

int64_t batches_of(const Schedule& s, int64_t epoch) {
  return static_cast<int64_t>(epoch_batches(*s.data, s.packing, s.seed, epoch).size());
}

/// The batches of any epoch where the order of the examples does not matter: one number of examples fits into each batch.
std::optional<int64_t> constant_batches(const Schedule& s) {
  int64_t shortest = INT64_MAX, longest = 0, all = 0;
  for (const Example& example : s.data->examples) {
    const auto length = static_cast<int64_t>(example.ids.size());
    shortest = std::min(shortest, length);
    longest = std::max(longest, length);
    all += length;
  }
  const bool even = !s.packing.packing || shortest == longest || all <= s.packing.tokens || 2 * shortest > s.packing.tokens;
  return even ? std::optional(batches_of(s, 0)) : std::nullopt;
}

std::string number(double value) { return dump_json(Json(value)); }

std::string length_text(const Length& length) {
  return std::to_string(length.total) + " steps (train.max_steps is " + std::to_string(length.max_steps) + ", train.epochs is " +
         number(length.epochs) + ")";
}

int64_t warmup_steps(const TrainConfig& config, int64_t total) {
  return static_cast<int64_t>(std::ceil(config.warmup_ratio * static_cast<double>(total)));
}

}  // namespace

int64_t steps_of_epochs(const Schedule& schedule, int64_t count) {
  const int64_t g = schedule.grad_accumulation;
  if (const std::optional<int64_t> batches = constant_batches(schedule)) return count * up(*batches, g);
  const int64_t examples = std::max<int64_t>(1, static_cast<int64_t>(schedule.data->examples.size()));
  const int64_t most = std::max(kAlwaysCounted, kMostShuffled / examples);
  if (count > most) {
    throw ConfigError("train.epochs: at most " + std::to_string(most) +
                      " for these data, whose epochs differ in their number of steps (found " + std::to_string(count) +
                      "); train.max_steps says the number of steps itself");
  }
  int64_t steps = 0;
  for (int64_t epoch = 0; epoch < count; ++epoch) steps += up(batches_of(schedule, epoch), g);
  return steps;
}

void refuse_idle(const TrainConfig& config) {
  if (!(config.lr > 0)) throw ConfigError("train.lr is " + number(config.lr) + ": nothing would be trained; expected more than 0");
  if (config.max_steps == 0 && !(config.epochs > 0))
    throw ConfigError("train.epochs is 0 and train.max_steps too: nothing would be trained; expected more than 0 of one of them");
}

Length run_length(const Schedule& schedule, const TrainConfig& config) {
  Length length{config.epochs, config.max_steps, config.max_steps};
  if (config.max_steps > 0) return length;
  const auto whole = static_cast<int64_t>(config.epochs);
  length.total = steps_of_epochs(schedule, whole);
  const double rest = config.epochs - static_cast<double>(whole);
  const int64_t g = schedule.grad_accumulation;
  if (rest > 0) length.total += static_cast<int64_t>(std::ceil(rest * static_cast<double>(up(batches_of(schedule, whole), g))));
  return length;
}

void refuse_shorter(const CheckpointState& saved, const Length& now, const Path& checkpoint) {
  if (now.total >= saved.length.total) return;
  throw StateError(checkpoint.string() + ": the run has " + length_text(saved.length) + " in the checkpoint, now " + length_text(now) +
                   "; it may become longer, not shorter");
}

void tell_longer(const CheckpointState& saved, const Length& now, const TrainConfig& config) {
  if (saved.length.total == now.total) return;
  const bool exact = config.schedule == "constant" && warmup_steps(config, saved.length.total) == warmup_steps(config, now.total);
  const std::string text = "the run goes on from step " + std::to_string(saved.cursor.step) + " to " + std::to_string(now.total) +
                           " (it had " + std::to_string(saved.length.total) + " steps)";
  if (exact) {
    log_info(text);
  } else {
    log_warn(text + "; the learning rate follows the " + config.schedule + " schedule over " + std::to_string(now.total) +
             " steps from here, so that the result is not that of a run of " + std::to_string(now.total) + " steps from the start");
  }
}

void check_cursor(const Cursor& cursor, const Schedule& schedule, const Path& checkpoint, const std::string& stream) {
  const std::string where = (checkpoint / "state.json").string() + (stream.empty() ? "" : ": " + stream);
  const int64_t batches = batches_of(schedule, cursor.epoch);
  if (cursor.batch > batches) {
    throw FormatError(where + ": batch is " + std::to_string(cursor.batch) + "; epoch " + std::to_string(cursor.epoch) + " has " +
                      std::to_string(batches));
  }
  const auto examples = static_cast<int64_t>(schedule.data->examples.size());
  const bool countable = cursor.epoch <= kAlwaysCounted || cursor.epoch <= kMostShuffled / std::max<int64_t>(1, examples) ||
                         constant_batches(schedule).has_value();
  if (!countable) return;
  const int64_t steps = steps_of_epochs(schedule, cursor.epoch) + up(cursor.batch, schedule.grad_accumulation);
  if (steps != cursor.step) {
    throw FormatError(where + ": step is " + std::to_string(cursor.step) + "; batch " + std::to_string(cursor.batch) + " of epoch " +
                      std::to_string(cursor.epoch) + " is reached after step " + std::to_string(steps));
  }
}

}  // namespace hellora
