// What a run writes while it goes: metrics.jsonl and TensorBoard events.
#pragma once

#include <memory>

#include "hellora/io/jsonl.h"
#include "hellora/io/tensorboard.h"

namespace hellora {

class Metrics {
 public:
  /// Continues at `step`: lines of later steps are cut off. An empty folder name writes nothing.
  Metrics(const Path& run_dir, int64_t step);
  void train_line(const Json& line);  // {step, loss, lr, …}
  void eval_line(int64_t step, double loss);

 private:
  std::unique_ptr<JsonLines> lines_;
  std::unique_ptr<EventWriter> events_;
};

}  // namespace hellora
