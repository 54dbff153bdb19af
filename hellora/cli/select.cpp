#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/selection.h"
#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/model/arch.h"
#include "hellora/select/policy.h"

namespace hellora {
namespace {

class Select : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--profile", profile_, "profile.json")->required();
    app.add_option("--policy", config_.policy, "see `hellora policies`");
    app.add_option("--k", config_.k, "experts per layer: a number, 25%, or auto");
    app.add_option("--rank", rank_, "rank of the chosen experts; without it adapter.rank decides")->check(CLI::Range(1, 65536));
    app.add_option("--coverage", config_.coverage, "policy coverage: share of the routed slots to reach")->check(CLI::Range(0.0, 1.0));
    app.add_option("--min-k", config_.min_k, "policy coverage: at least so many")->check(CLI::Range(0, 65536));
    app.add_option("--max-k", config_.max_k, "policy coverage: at most so many; 0: no limit")->check(CLI::Range(0, 65536));
    app.add_option("--out", out_, "plan.json to write")->required();
  }

  int run(const Common& common) override {
    const Profile profile = read_profile(profile_);
    const int64_t k = default_k(find_arch(profile.model_type, profile_), profile.experts, profile.top_k);
    const Plan plan = select_experts(profile, config_, k, static_cast<uint64_t>(common.seed), rank_);
    write_plan(out_, plan);
    const std::vector<LayerReport> layers = report_selection(profile, plan);
    if (common.json) {
      std::cout << Json{{"out", out_}, {"policy", plan.policy}, {"layers", selection_json(layers)}}.dump() << "\n";
    } else {
      std::cout << selection_table(layers);
    }
    for (const std::string& warning : selection_warnings(layers, plan.policy)) log_warn(warning);
    log_info(out_ + ": written");
    return 0;
  }

 private:
  SelectConfig config_;
  std::string profile_, out_;
  int64_t rank_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_select() { return std::make_unique<Select>(); }

}  // namespace hellora
