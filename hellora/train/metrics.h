// What a run writes while it goes: metrics.jsonl and TensorBoard events.
#pragma once

#include <memory>
#include <optional>
#include <set>

#include "hellora/io/jsonl.h"
#include "hellora/io/tensorboard.h"

namespace hellora {

class Metrics {
 public:
  /// Continues at `step`: lines of later steps are cut off, and without `keeps_eval` an evaluation of that step, which is there because
  /// the run ended with it before it was made longer. An empty folder name writes nothing.
  Metrics(const Path& run_dir, int64_t step, bool keeps_eval = true);
  void train_line(const Json& line);  // {step, loss, lr, …}
  /// {step, eval_loss, expert_load}: what an evaluation found, and ExpertLoad::take() of the steps before it; either may be missing.
  void eval_line(int64_t step, std::optional<double> loss, const Json& load = nullptr);
  /// Whether a line of an evaluation of this step is there: a run that goes on does not measure it again.
  bool has_eval(int64_t step) const { return evaluated_.contains(step); }

 private:
  void load_scalars(int64_t step, const Json& load);

  std::unique_ptr<JsonLines> lines_;
  std::unique_ptr<EventWriter> events_;
  std::set<int64_t> evaluated_;
};

}  // namespace hellora
