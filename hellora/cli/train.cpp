#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/run_options.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/recipe/training.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

class Train : public Command {
 public:
  void declare(CLI::App& app) override { options_.declare(app); }

  int run(const Common& common) override {
    const InterruptGuard guard;
    RunConfig config;
    const RunStart start = options_.load(&config, common);
    Prepared prepared = prepare_training(&config, start);
    if (start.dry_run) return print_forecast(prepared.forecast, common.json);
    const TrainOutcome outcome = run_training(&config, prepared);
    if (common.json) std::cout << dump_json(outcome.summary) << "\n";
    if (outcome.evaluated) log_info("evaluation loss " + fixed(outcome.loss_before, 4) + " -> " + fixed(outcome.loss_after, 4));
    log_info("audit passed; result in " + outcome.adapter.string());
    return 0;
  }

 private:
  RunOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_train() { return std::make_unique<Train>(); }

}  // namespace hellora
