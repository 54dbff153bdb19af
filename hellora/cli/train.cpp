#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/training.h"
#include "hellora/core/error.h"
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
    load_config(&config, split_config_argument(&config_, &overrides_), overrides_);
    apply_common(&config, common);
    require_key(config, "model", !config.model.empty());
    require_key(config, "data.train", !config.data.train.empty());
    if (!resume_.empty() && config.output.empty()) config.output = resume_;
    const Path resume = resume_.empty() ? Path() : find_checkpoint(resume_);
    prepare_output(config.output, overwrite_, !resume_.empty());
    Workspace space = open_model(config.model, config.compute.weights);
    const Dataset data = load_dataset(config.data.train, config.data, *space.tokenizer, space.decoder->shape().vocab);
    log_info("training data: " + describe(data));
    std::optional<Dataset> eval;
    if (!config.data.eval.empty()) {
      eval = load_dataset(config.data.eval, config.data, *space.tokenizer, space.decoder->shape().vocab);
      log_info("evaluation data: " + describe(*eval));
    }
    std::optional<Profile> profile;
    if (config.select.plan.empty() && config.select.policy != "all") {
      profile = take_profile(config, space, data, common.quiet);
      write_profile(Path(config.output) / "profile.json", *profile);
    }
    const Plan plan = make_plan(config, *space.decoder, profile ? &*profile : nullptr);
    write_plan(Path(config.output) / "plan.json", plan);
    write_text_atomic(Path(config.output) / "config.yaml", config_yaml(&config));
    const TrainOutcome outcome = run_training(&config, space, data, eval ? &*eval : nullptr, plan, resume, common.quiet);
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
