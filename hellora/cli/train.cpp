#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/training.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

class Train : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("config", config_, "YAML file, then key=value overrides");
    app.add_option("overrides", overrides_, "key=value");
    app.add_option("--resume", resume_, "run folder or checkpoint to continue");
    app.add_flag("--overwrite", overwrite_, "empty the output folder first");
  }

  int run(const Common& common) override {
    RunConfig config;
    const Path file = split_config_argument(&config_, &overrides_);
    load_run_config(&config, file, overrides_, resume_, common);
    Prepared prepared = prepare_training(&config, resume_, overwrite_, common.quiet);
    const TrainOutcome outcome = run_training(&config, prepared, common.quiet);
    if (common.json) std::cout << outcome.summary.dump() << "\n";
    if (outcome.evaluated) log_info("evaluation loss " + fixed(outcome.loss_before, 4) + " -> " + fixed(outcome.loss_after, 4));
    log_info("audit passed; result in " + outcome.adapter.string());
    return 0;
  }

 private:
  std::string config_, resume_;
  std::vector<std::string> overrides_;
  bool overwrite_ = false;
};

}  // namespace

std::unique_ptr<Command> make_train() { return std::make_unique<Train>(); }

}  // namespace hellora
