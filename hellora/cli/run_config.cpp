#include "hellora/cli/run_config.h"

#include <array>
#include <map>

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/io/yaml.h"
#include "hellora/io/yaml_text.h"

namespace hellora {
namespace {

struct Setting {
  const char *key, *value;
};

struct Recipe {
  const char* name;
  std::vector<Setting> settings;
};

const std::vector<Recipe>& recipes() {
  // hellora: the placement of arXiv 2605.18795 with the hyperparameters of its independent replication.
  static const std::vector<Recipe> table = {
      {"none", {}},
      {"lora", {{"select.policy", "all"}, {"adapter.dropout", "0.05"}, {"adapter.alpha", "64"}}},
      {"hellora", {{"select.policy", "hot"}, {"select.mode", "warmup"}, {"adapter.dropout", "0.05"}, {"adapter.alpha", "64"}}},
  };
  return table;
}

/// Spellings of other tools. Values of the renamed targets are translated too.
const std::map<std::string, std::string>& aliases() {
  static const std::map<std::string, std::string> table = {{"base_model", "model"},
                                                           {"model_name_or_path", "model"},
                                                           {"output_dir", "output"},
                                                           {"lora_r", "adapter.rank"},
                                                           {"lora_rank", "adapter.rank"},
                                                           {"r", "adapter.rank"},
                                                           {"lora_alpha", "adapter.alpha"},
                                                           {"lora_dropout", "adapter.dropout"},
                                                           {"lora_target_modules", "adapter.targets"},
                                                           {"sequence_len", "data.max_length"},
                                                           {"cutoff_len", "data.max_length"},
                                                           {"max_seq_length", "data.max_length"},
                                                           {"sample_packing", "data.packing"},
                                                           {"train_on_inputs", "data.train_on"},
                                                           {"gradient_accumulation_steps", "train.grad_accumulation"},
                                                           {"gradient_checkpointing", "train.gradient_checkpointing"},
                                                           {"num_epochs", "train.epochs"},
                                                           {"num_train_epochs", "train.epochs"},
                                                           {"max_steps", "train.max_steps"},
                                                           {"learning_rate", "train.lr"},
                                                           {"lr_scheduler", "train.schedule"},
                                                           {"lr_scheduler_type", "train.schedule"},
                                                           {"warmup_ratio", "train.warmup_ratio"},
                                                           {"weight_decay", "train.weight_decay"},
                                                           {"max_grad_norm", "train.max_grad_norm"},
                                                           {"save_steps", "train.save_steps"},
                                                           {"eval_steps", "train.eval_steps"},
                                                           {"per_device_train_batch_size", "train.micro_batch_tokens"},
                                                           {"micro_batch_size", "train.micro_batch_tokens"}};
  return table;
}

std::string translate_value(const std::string& alias, const std::string& value, const std::string& where) {
  static const std::map<std::string, std::string> targets = {
      {"q_proj", "q"},   {"k_proj", "k"},       {"v_proj", "v"}, {"o_proj", "o"}, {"gate", "router"}, {"gate_proj", "gate"},
      {"up_proj", "up"}, {"down_proj", "down"}, {"w1", "gate"},  {"w2", "down"},  {"w3", "up"},       {"embed_tokens", "embed"}};
  if (alias == "lora_target_modules") return targets.contains(value) ? targets.at(value) : value;
  if (alias == "train_on_inputs") {
    if (value != "true" && value != "false") throw ConfigError(where + ": train_on_inputs: expected true or false");
    return value == "true" ? "all" : "completion";
  }
  return value;
}

/// Applies settings in order and remembers which keys the user gave.
class Applier {
 public:
  explicit Applier(RunConfig* config) : config_(config), fields_(config_fields(config)) {}

  void apply(const std::string& key, std::vector<std::string> values, const std::string& where) {
    const auto alias = aliases().find(key);
    const std::string& name = alias == aliases().end() ? key : alias->second;
    if (alias != aliases().end()) {
      log_info(where + ": " + key + " is called " + name + " here");
      for (std::string& value : values) value = translate_value(key, value, where);
      if (name == "train.micro_batch_tokens") {  // a count of sequences: becomes tokens once max_length is known
        sequences_ = parse_int(values.at(0), where + ": " + key);
        sequences_where_ = where + ": " + key;
        config_->given.insert(name);
        return;
      }
    }
    fields_.set(name, values, where);
    config_->given.insert(name);
  }

  void apply_text(const std::string& argument) {
    const size_t equals = argument.find('=');
    const std::string where = "argument " + argument;
    if (equals == std::string::npos) throw ConfigError(where + ": expected key=value");
    const std::string key = argument.substr(0, equals), value = argument.substr(equals + 1);
    const auto alias = aliases().find(key);
    const Field& field = fields_.find(alias == aliases().end() ? key : alias->second, where);
    std::vector<std::string> values = {value};
    if (field.is_list) {
      std::string inner = trim(value);
      if (inner.size() >= 2 && inner.front() == '[' && inner.back() == ']') inner = inner.substr(1, inner.size() - 2);
      values.clear();
      for (const std::string& part : split(inner, ',')) {
        const std::vector<std::string> words = field.spaces ? std::vector<std::string>{trim(part)} : split(trim(part), ' ');
        for (const std::string& word : words) {
          if (!word.empty()) values.push_back(word);
        }
      }
    }
    apply(key, values, where);
  }

  void apply_recipe(const std::string& where) {
    for (const Recipe& recipe : recipes()) {
      if (recipe.name != config_->recipe) continue;
      for (const Setting& setting : recipe.settings) {
        if (!config_->given.contains(setting.key)) fields_.set_text(setting.key, setting.value, where);
      }
    }
  }

  void finish() {
    if (sequences_ <= 0) return;
    const std::string tokens = std::to_string(sequences_ * config_->data.max_length);
    fields_.set("train.micro_batch_tokens", {&tokens, 1}, sequences_where_);
  }

 private:
  RunConfig* config_;
  Fields fields_;
  int64_t sequences_ = 0;
  std::string sequences_where_;
};

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
  fields.add({free_on_resume(choice_field("recipe", &config->recipe, names,
                                          "defaults that belong together: hellora (hot experts), lora (all experts), none")),
              free_on_resume(text_field("model", &config->model, "model folder: config.json, *.safetensors, tokenizer.json"))});
  fields.add(data_fields(&config->data));
  fields.add(select_fields(&config->select));
  fields.add(adapter_fields(&config->adapter));
  fields.add(train_fields(&config->train));
  fields.add(compute_fields(&config->compute));
  fields.add({free_on_resume(text_field("output", &config->output, "run folder")),
              free_on_resume(list_field("export", &config->exports, "what `run` writes beside the adapter: peft-full, peft-fused, merged")),
              int_field("seed", &config->seed, 0, INT64_MAX, "seed of every random number")});
  return fields;
}

void load_config(RunConfig* config, const Path& file, const std::vector<std::string>& overrides) {
  Applier applier(config);
  if (!file.empty()) {
    for (const YamlEntry& entry : read_yaml(file)) {
      std::vector<std::string> values = entry.values;
      const std::string where = file.string() + ":" + std::to_string(entry.line);
      const Fields fields = config_fields(config);
      const Field& field = fields.find(aliases().contains(entry.key) ? aliases().at(entry.key) : entry.key, where);
      if (!entry.is_list && values.size() == 1 && field.is_list && !field.spaces) {
        values = split(values[0], ' ');  // "targets: q k v" reads as three names
      }
      applier.apply(entry.key, values, where);
    }
  }
  for (const std::string& argument : overrides) applier.apply_text(argument);
  applier.apply_recipe("recipe " + config->recipe);
  applier.finish();
}

std::string config_yaml(RunConfig* config) {
  const Fields fields = config_fields(config);
  std::string out, section;
  for (const Field& field : fields.all()) {
    // A plan may have ranks of its own, which a rank that the user gives would contradict: unless given, it stays unsaid.
    if (field.key == "adapter.rank" && !config->select.plan.empty() && !config->given.contains(field.key)) continue;
    const size_t dot = field.key.find('.');
    const std::string head = dot == std::string::npos ? "" : field.key.substr(0, dot);
    if (head != section && !head.empty()) out += head + ":\n";
    section = head;
    out += (head.empty() ? "" : "  ") + field.key.substr(dot == std::string::npos ? 0 : dot + 1) + ": " + yaml_value(field) + "\n";
  }
  return out;
}

void require_key(const RunConfig&, const std::string& key, bool present) {
  if (!present) throw ConfigError("configuration: key \"" + key + "\" is needed; set it in the file or as " + key + "=…");
}

}  // namespace hellora
