#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/text.h"
#include "hellora/model/count.h"
#include "hellora/model/sites.h"
#include "hellora/recipe/spellings.h"
#include "hellora/recipe/table.h"
#include "hellora/recipe/workspace.h"
#include "hellora/select/policy.h"

namespace hellora {
namespace {

class Count : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--arch", arch_, "a published model: see `hellora archs`");
    app.add_option("--model", model_, "model folder; only config.json is read");
    app.add_option("--method", config_.method, "see `hellora methods`");
    app.add_option("--rank", config_.rank, "rank")->check(CLI::Range(1, 65536));
    app.add_option("--k", k_, "adapted experts per layer: a number, 25%, auto (the family's) or all");
    app.add_option("--plan", plan_, "count this plan's experts and ranks instead of --k");
    app.add_option("--targets", targets_, "q k v o router gate up down …; default: the family's");
    app.add_option("--coverage", coverage_, "share of the routed slots that adapted experts take; default k / E")
        ->check(CLI::Range(0.0, 1.0));
  }

  int run(const Common& common) override {
    if (arch_.empty() == model_.empty()) throw ConfigError("count: give either --arch or --model");
    const Path file = Path(model_) / "config.json";
    const ModelShape shape = arch_.empty() ? read_shape(parse_json(read_text(file), file.string()), file.string()) : find_preset(arch_);
    if (!targets_.empty()) config_.targets = translate_targets(targets_, false);
    config_.targets = resolve_targets(shape, config_);
    const std::optional<Plan> plan = plan_.empty() ? std::nullopt : std::optional(read_plan(plan_));
    const int64_t k = plan || k_ == "all" || shape.experts == 0 ? shape.experts : resolve_k(k_, auto_k(shape), shape.experts);
    const double coverage = coverage_ ? *coverage_ : shape.experts > 0 ? static_cast<double>(k) / static_cast<double>(shape.experts) : 0;
    const int64_t base = count_base(shape), all = count_trainable(shape, config_, all_experts(shape));
    const int64_t trainable = count_trainable(shape, config_, plan ? *plan : first_experts(shape, k));
    const Ratios ratios = count_ratios(base, trainable, all);
    const bool low_rank = find_method(config_.method).pairs && !plan;  // a plan's experts may differ in rank and number
    const Json json{{"base", base},
                    {"active", count_active(shape)},
                    {"k", plan ? Json() : Json(k)},
                    {"trainable", trainable},
                    {"trainable_all_experts", all},
                    {"ratio_raw", ratios.raw},
                    {"ratio_of_percentages", ratios.of_percentages},
                    {"coverage", plan ? Json() : Json(coverage)},
                    {"adapter_flops_per_token", low_rank ? Json(adapter_flops(shape, config_, coverage)) : Json()},
                    {"base_flops_per_token", base_flops(shape)}};
    if (common.json) {
      std::cout << dump_json(json) << "\n";
      return 0;
    }
    const auto share = [&](int64_t count) {
      return percent(static_cast<double>(count) / static_cast<double>(base + count), 3) + " of base + trainable";
    };
    std::vector<std::vector<std::string>> rows = {
        {"base parameters", with_commas(base)},
        {"active per token", with_commas(count_active(shape))},
        {plan ? "trainable, " + plan_ : "trainable, k = " + std::to_string(k), with_commas(trainable) + "  (" + share(trainable) + ")"},
        {"trainable, all experts", with_commas(all) + "  (" + share(all) + ")"},
        {"raw ratio", percent(ratios.raw, 3)},
        {"quotient of percentages", percent(ratios.of_percentages, 3)},
        {"base forward FLOPs per token", fixed(base_flops(shape) / 1e6, 1) + " M"}};
    if (low_rank)
      rows.push_back({"adapter forward FLOPs per token",
                      fixed(adapter_flops(shape, config_, coverage) / 1e6, 1) + " M at coverage " + percent(coverage)});
    std::cout << format_table(rows);
    return 0;
  }

 private:
  AdapterConfig config_;
  std::string arch_, model_, k_ = "auto", plan_;
  std::vector<std::string> targets_;
  std::optional<double> coverage_;
};

}  // namespace

std::unique_ptr<Command> make_count() { return std::make_unique<Count>(); }

}  // namespace hellora
