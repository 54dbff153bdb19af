#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/decide.h"
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/io/paths.h"
#include "hellora/model/arch.h"
#include "hellora/recipe/selection.h"
#include "hellora/recipe/workspace.h"
#include "hellora/select/policy.h"

namespace hellora {
namespace {

/// "ranks 3 to 21": of a plan whose ranks share a budget.
std::string rank_text(const Plan& plan) {
  int64_t least = INT64_MAX, most = 0;
  for (const LayerPlan& layer : plan.layers) {
    for (const HotExpert& hot : layer.experts) {
      least = std::min(least, hot.rank);
      most = std::max(most, hot.rank);
    }
  }
  const std::string base = std::to_string(plan.base_rank);
  return "ranks " + std::to_string(least) + " to " + std::to_string(most) + ", shared from " + base +
         " per expert in each layer; alpha of an expert is adapter.alpha x its rank / " + base + ", so that all have one scale";
}

class Select : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--profile", profile_, "profile.json")->required();
    app.add_option("--policy", config_.select.policy, "see `hellora policies`");
    app.add_option("--k", config_.select.k, "experts per layer: a number, 25%, or auto");
    app.add_option("--rank", rank_, "rank of the chosen experts; without it adapter.rank decides")->check(CLI::Range(1, 65536));
    app.add_option("--rank-by", config_.select.rank_by, "uniform: one rank; coverage: a layer's experts x rank, shared out by load")
        ->check(CLI::IsMember({"uniform", "coverage"}));
    app.add_option("--coverage", config_.select.coverage, "policy coverage: share of the routed slots to reach")
        ->check(CLI::Range(0.0, 1.0));
    app.add_option("--min-k", config_.select.min_k, "policy coverage: at least so many")->check(CLI::Range(0, 65536));
    app.add_option("--max-k", config_.select.max_k, "policy coverage: at most so many; 0: no limit")->check(CLI::Range(0, 65536));
    app.add_option("--model", model_, "model folder (config.json is enough): parameters and memory in the table for deciding k");
    app.add_option("--out", out_, "plan.json to write; without it a table for deciding k is printed");
    app.add_flag("--force", force_, "write over an existing file");
  }

  int run(const Common& common) override {
    check_out();
    const Profile profile = read_profile(profile_);
    const int64_t k = default_k(find_arch(profile.model_type, profile_), profile.experts, profile.top_k);
    const auto seed = static_cast<uint64_t>(common.seed);
    if (out_.empty()) return decide(profile, k, seed, common.json);
    const bool shares = config_.select.rank_by == "coverage";
    const Plan plan = select_experts(profile, config_.select, k, seed, rank_ > 0 || !shares ? rank_ : config_.adapter.rank);
    write_plan(out_, plan);
    const std::vector<LayerReport> layers = report_selection(profile, plan);
    if (common.json) {
      Json json{{"out", out_}, {"policy", plan.policy}, {"layers", selection_json(layers)}};
      if (plan.base_rank > 0) json["base_rank"] = plan.base_rank;
      std::cout << dump_json(json) << "\n";
    } else {
      std::cout << selection_table(layers);
    }
    for (const std::string& warning : selection_warnings(layers, plan.policy)) log_warn(warning);
    if (plan.base_rank > 0) log_info(rank_text(plan));
    log_info(out_ + ": written");
    return 0;
  }

 private:
  /// Before anything is read: what --out would write over.
  void check_out() const {
    if (out_.empty() || !path_exists(out_)) return;
    if (same_place(out_, profile_)) throw ConfigError("--out " + out_ + " is the profile itself; name another file for the plan");
    if (is_file(out_) && !force_) throw ConfigError("--out " + out_ + " exists; --force writes over it");
  }

  /// The table for deciding k, for the tokens that decide and, where the profile counted them along, for the others.
  int decide(const Profile& profile, int64_t auto_k, uint64_t seed, bool json) {
    if (rank_ > 0) config_.adapter.rank = rank_;
    std::optional<ModelShape> shape;
    if (!model_.empty()) shape = shape_for(profile);
    const std::optional<Profile> other = other_tokens(profile);
    Json sets = Json::array();
    std::string text;
    for (const Profile* one : {&profile, other ? &*other : nullptr}) {
      if (one == nullptr || one->tokens == 0) continue;
      const std::vector<KRow> rows = decide_rows(*one, config_.select, auto_k, seed);
      const std::vector<KCost> costs = shape && one == &profile ? decide_costs(config_, *shape, rows) : std::vector<KCost>{};
      sets.push_back({{"tokens_counted", one->tokens_counted}, {"tokens", one->tokens}, {"rows", decide_json(*one, rows, costs)}});
      text += (one == &profile ? "" : "\n") + std::string(one->tokens_counted == "label" ? "label tokens" : "all tokens") + " (" +
              with_commas(one->tokens) + (one == &profile ? ", these decide)\n" : ")\n") + decide_table(*one, rows);
      if (!costs.empty())
        text += "\nwhat it costs: " + config_.adapter.method + ", rank " + std::to_string(config_.adapter.rank) + "\n" +
                cost_table(rows, costs);
    }
    if (json) {
      std::cout << dump_json(
                       Json{{"experts", profile.experts}, {"suggested_k", (profile.experts + 3) / 4}, {"auto_k", auto_k}, {"tables", sets}})
                << "\n";
      return 0;
    }
    std::cout << text << "\n" << notes(profile, auto_k, other.has_value(), shape.has_value());
    return 0;
  }

  ModelShape shape_for(const Profile& profile) {
    const Path file = Path(model_) / "config.json";
    const ModelShape shape = read_shape(parse_json(read_text(file), file.string()), file.string());
    if (shape.arch != profile.model_type || shape.experts != profile.experts || routed_layers(shape).size() != profile.layers.size())
      throw StateError(profile_ + ": the profile is of a " + profile.model_type + " model with " + std::to_string(profile.layers.size()) +
                       " routed layers of " + std::to_string(profile.experts) + " experts, " + model_ + " is another one");
    resolve_compute(&config_.compute);
    return shape;
  }

  std::string notes(const Profile& profile, int64_t auto_k, bool both, bool costs) const {
    std::string out = "coverage: share of the routed slots that the k experts take, the mean over " +
                      std::to_string(profile.layers.size()) +
                      " layers; lowest: of the layer with the\nleast; per expert: what one more expert adds, from the row above; halves "
                      "agree: how many of the k busiest of even and\n"
                      "odd records are the same. select.k: auto is " +
                      std::to_string(auto_k) + " of " + std::to_string(profile.experts) + " here.\n";
    if (!both)
      out += "This profile counted " + std::string(profile.tokens_counted == "label" ? "label" : "all") +
             " tokens only; a new one counts both.\n";
    if (!costs) out += "--model DIR adds trainable parameters, adapter size and memory; --out plan.json writes a plan.\n";
    return out;
  }

  RunConfig config_;
  std::string profile_, out_, model_;
  int64_t rank_ = 0;
  bool force_ = false;
};

}  // namespace

std::unique_ptr<Command> make_select() { return std::make_unique<Select>(); }

}  // namespace hellora
