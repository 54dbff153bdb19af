#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/model_options.h"
#include "hellora/core/finite.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/recipe/profile_run.h"
#include "hellora/recipe/run_data.h"

namespace hellora {
namespace {

class ProfileCommand : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("config", config_, "YAML file, then key=value overrides");
    app.add_option("overrides", overrides_, "key=value");
    app.add_option("--model", model_, "model folder");
    app.add_option("--data", data_, "JSON Lines files");
    app.add_option("--mode", mode_, "base: forward only; warmup: a short LoRA run, adapters thrown away");
    app.add_option("--fraction", fraction_, "share of the data");
    app.add_option("--max-tokens", max_tokens_, "stop after so many tokens (mode base)");
    app.add_option("--tokens", tokens_, "all, or label: only tokens that have a label");
    app.add_option("--out", out_, "profile.json to write")->required();
  }

  int run(const Common& common) override {
    RunConfig config;
    const Path file = split_config_argument(&config_, &overrides_);
    const auto pass = [&](const char* key, const std::string& value) {
      if (!value.empty()) overrides_.push_back(std::string(key) + "=" + value);
    };
    pass("model", model_);
    pass("select.mode", mode_);
    pass("select.fraction", fraction_);
    pass("select.max_tokens", max_tokens_);
    pass("select.tokens", tokens_);
    load_config(&config, file, overrides_);
    if (!data_.empty()) {  // as they are: a name may hold a comma or a space
      config.data.train = data_;
      config.data.weights.clear();
    }
    apply_common(&config, common);
    require_key(config, "model", !config.model.empty());
    require_key(config, "data.train", !config.data.train.empty());
    Workspace space = open_model(config.model, config.compute.weights, true, resolve_compute(&config.compute));
    const Dataset data = load_run_data(config, space, false).train;
    const Profile profile = take_profile(config, space, data);
    for (const LayerProfile& layer : profile.layers) {
      for (size_t e = 0; e < layer.mass.size(); ++e) {
        finite(layer.mass[e], "layer " + std::to_string(layer.layer) + ", expert " + std::to_string(e) + ": the routing mass");
      }
    }
    write_profile(out_, profile);
    log_info(out_ + ": " + with_commas(profile.tokens) + " tokens counted over " + std::to_string(profile.layers.size()) + " layers");
    if (common.json) std::cout << dump_json(profile_to_json(profile)) << "\n";
    return 0;
  }

 private:
  std::string config_, model_, mode_, fraction_, max_tokens_, tokens_, out_;
  std::vector<std::string> overrides_, data_;
};

}  // namespace

std::unique_ptr<Command> make_profile() { return std::make_unique<ProfileCommand>(); }

}  // namespace hellora
