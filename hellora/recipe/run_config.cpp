#include "hellora/recipe/run_config.h"

#include "hellora/adapters/method.h"
#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/io/yaml.h"
#include "hellora/io/yaml_text.h"
#include "hellora/recipe/recipes.h"
#include "hellora/recipe/settings.h"

namespace hellora {
namespace {

std::string yaml_value(const Field& field) {
  const std::vector<std::string> values = field.get();
  if (!field.is_list) return yaml_text(values.at(0));
  std::vector<std::string> quoted;
  for (const std::string& value : values) quoted.push_back(yaml_text(value));
  std::string out = "[";  // one piece at a time: GCC 12 warns wrongly about a literal in front of a moved string
  out += join(quoted, ", ");
  return out += "]";
}

}  // namespace

Fields config_fields(RunConfig* config) {
  Fields fields;
  std::vector<std::string> names;
  for (const Recipe& recipe : recipes()) names.emplace_back(recipe.name);
  // What these say is compared by its content when a run is resumed: settings, model and data.
  fields.add(
      {free_on_resume(choice_field(
           "recipe", &config->recipe, names,
           "defaults that belong together: hellora (hot experts), hellori (the same with LoRI's factors), lora (all experts), none")),
       free_on_resume(text_field("model", &config->model, "model folder: config.json, *.safetensors, tokenizer.json"))});
  fields.add(data_fields(&config->data));
  fields.add(select_fields(&config->select));
  fields.add(adapter_fields(&config->adapter));
  fields.add(train_fields(&config->train));
  fields.add(compute_fields(&config->compute));
  fields.add(
      {free_on_resume(text_field("output", &config->output, "run folder")),
       free_on_resume(list_field("export", &config->exports, "what `run` writes beside the adapter: peft-full, peft-fused, merged")),
       free_on_resume(int_field("samples", &config->samples, 0, 16, "rows whose prompt `run` continues at its end, before and after")),
       int_field("seed", &config->seed, 0, INT64_MAX, "seed of every random number")});
  return fields;
}

void load_config(RunConfig* config, const Path& file, const std::vector<std::string>& overrides) {
  Settings settings(config);
  if (!file.empty()) {
    for (const YamlEntry& entry : read_yaml(file)) settings.take(entry, file.string());
  }
  for (const std::string& argument : overrides) settings.take(argument);
  settings.apply();
}

std::string config_yaml(RunConfig* config) {
  const Fields fields = config_fields(config);
  std::string out, section;
  for (const Field& field : fields.all()) {
    // A plan may have ranks of its own, which a rank that the user gives would contradict: unless given, it stays unsaid.
    if (field.key == "adapter.rank" && !config->select.plan.empty() && !config->given.contains(field.key)) continue;
    if (of_another_method(config->adapter, field.key)) continue;
    const size_t dot = field.key.find('.');
    const std::string head = dot == std::string::npos ? "" : field.key.substr(0, dot);
    if (head != section && !head.empty()) out += head + ":\n";
    section = head;
    out += (head.empty() ? "" : "  ") + field.key.substr(dot == std::string::npos ? 0 : dot + 1) + ": " + yaml_value(field) + "\n";
  }
  return out;
}

void check_forget(const RunConfig& config) {
  const Method& method = find_method(config.adapter.method);
  if (method.needs_forget == !config.data.forget.empty()) return;
  std::string text = "data.forget: adapter.method " + config.adapter.method;
  if (method.needs_forget) throw ConfigError(text += " unlearns the rows of data.forget, which is empty; expected JSON Lines files");
  std::vector<std::string> names;
  for (const Method& one : methods()) {
    if (one.needs_forget) names.emplace_back(one.name);
  }
  throw ConfigError(text += " has no use for it; leave it out, or take one of " + join(names, ", "));
}

void require_key(const RunConfig&, const std::string& key, bool present) {
  if (!present) throw ConfigError("configuration: key \"" + key + "\" is needed; set it in the file or as " + key + "=…");
}

}  // namespace hellora
