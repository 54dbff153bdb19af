// The configuration's keys, and what a file with its overrides comes to.
#include <iostream>

#include "hellora/adapters/method.h"
#include "hellora/cli/commands.h"
#include "hellora/cli/config_table.h"
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"
#include "hellora/export/formats.h"
#include "hellora/io/paths.h"
#include "hellora/model/count.h"
#include "hellora/model/sites.h"
#include "hellora/recipe/spellings.h"
#include "hellora/recipe/workspace.h"
#include "hellora/select/policy.h"

namespace hellora {
namespace {

/// What a run would refuse of these settings for this model, from its config.json alone.
void check_for_model(const RunConfig& config) {
  const Path file = Path(config.model) / "config.json";
  const ModelShape shape = read_shape(parse_json(read_text(file), file.string()), file.string());
  const bool planned = !config.select.plan.empty();
  const Plan plan = planned ? read_plan(config.select.plan) : all_experts(shape);
  find_sites(shape, config.adapter, plan, config.given.contains("adapter.rank"));
  if (shape.experts > 0 && !planned) resolve_k(config.select.k, auto_k(shape), shape.experts);
  const auto count = [&](const Plan& one) { return with_commas(count_trainable(shape, config.adapter, one)); };
  log_info(config.model + ": " + shape.arch + ", targets " + join(resolve_targets(shape, config.adapter), " ") + ", " + count(plan) +
           " trainable parameters " +
           (planned             ? "by the plan"
            : shape.experts > 0 ? "with all experts"
                                : "in all"));
}

class ConfigCommand : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("words", words_, "a key (or a section, or another tool's name for it); with --check key=value overrides");
    app.add_option("--check", check_, "a YAML file: read as a run would, and print what it comes to");
    app.add_option("--recipe", recipe_, "defaults under this recipe");
    app.add_flag("--markdown", markdown_, "the keys as a table of the manual");
  }

  int run(const Common& common) override {
    if (!recipe_.empty()) words_.insert(words_.begin(), "recipe=" + recipe_);
    return check_.empty() ? print_keys(common.json) : check_file(common.json);
  }

 private:
  int check_file(bool json) const {
    RunConfig config;
    load_config(&config, check_, words_);
    check_forget(config);
    for (const std::string& name : config.exports) {
      if (name != "merged") find_export(name);
    }
    for (const auto& [key, files] : {std::pair{"data.train", &config.data.train}, std::pair{"data.forget", &config.data.forget}}) {
      for (const std::string& file : *files) {
        if (!path_exists(file)) throw DataError(std::string(key) + ": there is no file " + printable(file));
      }
    }
    if (!config.model.empty()) check_for_model(config);
    for (const auto& [key, empty] : {std::pair{"model", config.model.empty()}, std::pair{"data.train", config.data.train.empty()}}) {
      if (empty) log_warn(check_ + ": a run needs " + key + " too");
    }
    if (!json) {
      std::cout << config_yaml(&config);
      return 0;
    }
    Json out = Json::object();
    const Fields fields = config_fields(&config);
    for (const Field& field : fields.all()) out[field.key] = field.is_list ? Json(field.get()) : Json(field.get().at(0));
    std::cout << dump_json(Json{{"config", out}, {"given", config.given}}) << "\n";
    return 0;
  }

  int print_keys(bool json) const {
    std::vector<std::string> overrides, keys;
    for (const std::string& word : words_) (word.find('=') == std::string::npos ? keys : overrides).push_back(word);
    RunConfig config;
    load_config(&config, {}, overrides);
    const Fields fields = config_fields(&config);
    if (markdown_) {
      std::cout << fields_markdown(fields);
    } else if (json) {
      std::cout << dump_json(Json{{"keys", chosen_json(fields, keys)}}) << "\n";
    } else if (keys.empty()) {
      std::cout << fields_text(fields, "");
    }
    for (const std::string& key : json || markdown_ ? std::vector<std::string>{} : keys) std::cout << key_text(fields, key);
    return 0;
  }

  static Json chosen_json(const Fields& fields, const std::vector<std::string>& keys) {
    Json out = Json::array();
    for (const Field& field : fields.all()) {
      const bool wanted = keys.empty() || std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
                            if (field.key.starts_with(key + ".")) return true;
                            const auto meaning = look_up(fields, key);
                            return meaning && meaning->field == &field;
                          });
      if (wanted) out.push_back(field_json(fields, field));
    }
    if (out.empty()) find_meaning(fields, keys.at(0), "config");
    return out;
  }

  static std::string key_text(const Fields& fields, const std::string& key) {
    if (const std::string section = fields_text(fields, key); !section.empty()) return section;
    const Meaning meaning = find_meaning(fields, key, "config");
    if (meaning.field != nullptr) return field_details(fields, *meaning.field);
    const std::string_view values = meaning.spelling->values;
    return key + "\n  no setting of hellora: " + std::string(meaning.spelling->why) + "\n  accepted and without effect: " +
           (values == "*"    ? "any value"
            : values.empty() ? "null"
                             : "null, " + join(split(values, '|'), ", ")) +
           "\n";
  }

  std::string check_, recipe_;
  std::vector<std::string> words_;
  bool markdown_ = false;
};

}  // namespace

std::unique_ptr<Command> make_config() { return std::make_unique<ConfigCommand>(); }

}  // namespace hellora
