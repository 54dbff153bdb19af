#include <cmath>
#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/model/weights.h"
#include "hellora/recipe/table.h"
#include "hellora/recipe/verify.h"

namespace hellora {
namespace {

/// ‖ΔW‖ per site: what the adapter changes, and where it changes nothing.
Json describe_changes(const AdaptedModel& model, std::vector<std::vector<std::string>>* table) {
  Json rows = Json::array();
  const Modules modules = modules_by_path(*model.adapter.adapters);
  const BaseWeight base = [&](const std::string& name) { return base_weight(*model.checkpoint, model.shape, name); };
  for (const Site& site : model.adapter.adapters->sites()) {
    double sum = 0;
    int64_t zero = 0;
    for (const SiteMember& one : site.members) {
      const double size = change_norm(one.path, modules.at(one.path), base);
      sum += size * size;
      zero += size == 0 ? 1 : 0;
    }
    const std::string name(target_of(site.slot)), layer = site.layer < 0 ? "-" : std::to_string(site.layer);
    table->push_back(
        {layer, name, std::to_string(site.members.size()), fixed(std::sqrt(sum), 5), zero > 0 ? std::to_string(zero) + " unchanged" : ""});
    rows.push_back(
        {{"layer", site.layer}, {"target", name}, {"modules", site.members.size()}, {"change_norm", std::sqrt(sum)}, {"unchanged", zero}});
  }
  return rows;
}

class Check : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--model", model_, "model folder")->required();
    app.add_option("--adapter", adapter_, "adapter folder")->required();
    CLI::Option* exported = app.add_option("--exported", exported_, "an export of the adapter");
    app.add_option("--merged", merged_, "a merge of model and adapter")->excludes(exported);
  }

  int run(const Common& common) override {
    const AdaptedModel model = open_adapted(model_, adapter_);
    Json out;
    if (!merged_.empty()) {
      out = merge_json(verify_merge(model, merged_, merged_), merged_);
    } else if (!exported_.empty()) {
      const ExportFormat& format = detect_export(exported_);
      out = export_json(verify_export(model, format, exported_, exported_), format, exported_);
    } else {
      std::vector<std::vector<std::string>> table = {{"layer", "target", "modules", "norm of the change", ""}};
      out = Json{{"adapter", adapter_}, {"sites", describe_changes(model, &table)}};
      if (!common.json) std::cout << format_table(table);
      log_info(adapter_ + ": belongs to " + model_ +
               (model.adapter.origin.model_hash.empty() ? " by its shapes (no hellora.json to name its base)" : ""));
    }
    if (common.json) std::cout << dump_json(out) << "\n";
    return 0;
  }

 private:
  std::string model_, adapter_, exported_, merged_;
};

}  // namespace

std::unique_ptr<Command> make_check() { return std::make_unique<Check>(); }

}  // namespace hellora
