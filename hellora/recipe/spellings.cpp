#include "hellora/recipe/spellings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "hellora/adapters/targets.h"
#include "hellora/core/error.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

/// Names under which other tools group their settings. Our own sections are among them, but hold only what belongs to them.
constexpr auto kSections = std::to_array<std::string_view>(
    {"train",       "training",   "trainer",      "training_args", "training_arguments", "train_args",     "args",
     "sft",         "sft_config", "lora",         "lora_config",   "lora_parameters",    "lora_args",      "peft",
     "peft_config", "peft_args",  "model",        "model_args",    "model_config",       "data",           "data_args",
     "data_config", "dataset",    "datasets",     "dataset_args",  "optimizer",          "optim",          "scheduler",
     "lr_schedule", "generation", "quantization", "logging",       "hyperparameters",    "compute",        "select",
     "adapter",     "method",     "config",       "checkpoint",    "trainer_args",       "finetuning_args"});
constexpr auto kOwnSections = std::to_array<std::string_view>({"data", "select", "adapter", "train", "compute"});

template <class Table>
bool among(const Table& table, std::string_view name) {
  return std::find(table.begin(), table.end(), name) != table.end();
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// Dashes as underscores, places in lists left out.
std::string plain_name(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '-', '_');
  std::vector<std::string> parts = split(text, '.');
  std::erase_if(parts, all_digits);
  return join(parts, ".");
}

const Spelling* find_row(std::string_view name) {
  const auto all = spellings();
  const auto it = std::find_if(all.begin(), all.end(), [&](const Spelling& row) { return row.name == name; });
  return it == all.end() ? nullptr : &*it;
}

const Field* find_field(const Fields& fields, std::string_view key) {
  for (const Field& field : fields.all()) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

std::string last_word(std::string_view key) { return std::string(key.substr(key.rfind('.') + 1)); }

/// The only key that ends in this word.
const Field* find_by_last_word(const Fields& fields, std::string_view word) {
  const Field* found = nullptr;
  for (const Field& field : fields.all()) {
    if (field.key.find('.') == std::string::npos || last_word(field.key) != word) continue;
    if (found != nullptr) return nullptr;
    found = &field;
  }
  return found;
}

std::optional<Meaning> meaning_of(const Fields& fields, const Spelling* row) {
  if (row == nullptr) return std::nullopt;
  return Meaning{row->key.empty() ? nullptr : &fields.find(std::string(row->key), std::string(row->name)), row};
}

/// As YAML spells them, so that True and yes are true.
std::string plain_value(const std::string& value) {
  static const std::map<std::string, std::string> flags = {
      {"True", "true"}, {"TRUE", "true"}, {"yes", "true"},    {"Yes", "true"},    {"YES", "true"}, {"on", "true"},
      {"On", "true"},   {"ON", "true"},   {"no", "false"},    {"No", "false"},    {"NO", "false"}, {"off", "false"},
      {"Off", "false"}, {"OFF", "false"}, {"False", "false"}, {"FALSE", "false"}, {"None", "none"}};
  const auto it = flags.find(value);
  return it == flags.end() ? value : it->second;
}

bool same_value(const std::string& wanted, const std::string& given) {
  if (wanted == given || wanted == plain_value(given)) return true;
  if (wanted.empty() || std::isdigit(static_cast<unsigned char>(wanted.back())) == 0) return false;
  char* end = nullptr;
  // lint: what is no number compares as none, its end is looked at
  const double a = std::strtod(wanted.c_str(), nullptr), b = std::strtod(given.c_str(), &end);
  return !given.empty() && *end == '\0' && a == b;
}

std::string one_of_words(const Spelling& row, const std::string& value, const std::string& name, const std::string& where, bool* set) {
  std::vector<std::string> known;
  for (const std::string& entry : split(row.values, '|')) {
    if (entry == "*") return plain_value(value);
    const size_t arrow = entry.find('>');
    const std::string theirs = entry.substr(0, arrow), ours = arrow == std::string::npos ? theirs : entry.substr(arrow + 1);
    if (!ours.starts_with('!')) known.push_back(theirs);
    if (!same_value(theirs, value) && theirs != value) continue;
    if (ours.starts_with('!')) throw ConfigError(where + ": " + name + ": " + value + " is not supported; " + ours.substr(1));
    *set = !ours.empty();
    return ours;
  }
  throw ConfigError(where + ": " + name + ": " + printable(value) + " is not supported for " + std::string(row.key) + "; expected one of " +
                    join(known, ", "));
}

}  // namespace

std::optional<Meaning> look_up(const Fields& fields, const std::string& name) {
  if (const Field* own = find_field(fields, name)) return Meaning{own, nullptr};
  const std::string whole = plain_name(name);
  if (const Field* own = find_field(fields, whole)) return Meaning{own, nullptr};
  const Field* of_loop = find_field(fields, "train." + whole);  // what the loop can do is never refused by an old row
  if (auto found = meaning_of(fields, find_row(whole)); found && (found->field != nullptr || of_loop == nullptr)) return found;
  std::string rest = whole, own_section;
  for (size_t dot = rest.find('.'); dot != std::string::npos && among(kSections, rest.substr(0, dot)); dot = rest.find('.')) {
    if (among(kOwnSections, rest.substr(0, dot))) own_section = rest.substr(0, dot + 1);
    rest.erase(0, dot + 1);
    const auto found = meaning_of(fields, find_row(rest));
    if (found && (own_section.empty() || found->field == nullptr || found->field->key.starts_with(own_section))) return found;
  }
  if (own_section.empty() || own_section == "train.") {
    const Field* field = find_by_last_word(fields, rest);
    if (field != nullptr && (own_section.empty() || field->key.starts_with(own_section))) return Meaning{field, nullptr};
  }
  // What lies under a name without a key of ours goes its way: fsdp_config.anything, optimizer.name.
  for (size_t dot = whole.rfind('.'); dot != std::string::npos && dot > 0; dot = whole.rfind('.', dot - 1)) {
    const auto found = among(kOwnSections, whole.substr(0, dot)) ? std::nullopt : meaning_of(fields, find_row(whole.substr(0, dot)));
    if (found && found->field == nullptr) return found;
  }
  return std::nullopt;
}

Meaning find_meaning(const Fields& fields, const std::string& name, const std::string& where) {
  if (const auto found = look_up(fields, name)) return *found;
  std::vector<std::string> names;
  for (const Field& field : fields.all()) {
    names.push_back(field.key);
    if (find_by_last_word(fields, last_word(field.key)) != nullptr) names.push_back(last_word(field.key));
  }
  for (const Spelling& row : spellings()) names.emplace_back(row.name);
  std::string near = nearest_name(name, names);
  if (near.empty()) near = nearest_name(last_word(plain_name(name)), names);
  if (const auto meant = near.empty() ? std::nullopt : look_up(fields, near); meant && meant->field != nullptr) near = meant->field->key;
  throw ConfigError(where + ": unknown key \"" + printable(name) + "\"; " +
                    (near.empty() ? "`hellora config` lists the keys" : "the nearest known key is \"" + near + "\""));
}

std::vector<std::string> aliases_of(const Fields& fields, const std::string& key) {
  std::vector<std::string> names;
  const std::string word = last_word(key);
  const Spelling* row = find_row(word);
  if (word != key && find_by_last_word(fields, word) != nullptr && (row == nullptr || row->key == key)) names.push_back(word);
  for (const Spelling& one : spellings()) {
    if (one.key == key && one.name != word) names.emplace_back(one.name);
  }
  return names;
}

std::vector<std::string> translate_targets(std::span<const std::string> names, bool foreign) {
  static const std::map<std::string, std::vector<std::string>> table = {{"q_proj", {"q"}},
                                                                        {"k_proj", {"k"}},
                                                                        {"v_proj", {"v"}},
                                                                        {"o_proj", {"o"}},
                                                                        {"gate_proj", {"gate"}},
                                                                        {"up_proj", {"up"}},
                                                                        {"down_proj", {"down"}},
                                                                        {"w1", {"gate"}},
                                                                        {"w2", {"down"}},
                                                                        {"w3", {"up"}},
                                                                        {"embed_tokens", {"embed"}},
                                                                        {"gate_up_proj", {"gate", "up"}},
                                                                        {"qkv_proj", {"q", "k", "v"}},
                                                                        {"q_a_proj", {"q"}},
                                                                        {"q_b_proj", {"q"}},
                                                                        {"kv_a_proj_with_mqa", {"kv"}},
                                                                        {"kv_b_proj", {"kv"}},
                                                                        {"shared_expert_gate", {"shared_router"}},
                                                                        {"all", {kAllLinear}},
                                                                        {"all_linear", {kAllLinear}},
                                                                        {"linear", {kAllLinear}}};
  std::vector<std::string> out;
  for (const std::string& name : names) {
    const std::string word = last_word(name);
    std::vector<std::string> ours = {word};
    if (name.find("shared_expert") != std::string::npos && word.ends_with("_proj")) {
      ours = {"shared"};
    } else if (word == "gate" && (foreign || word != name)) {
      ours = {"router"};
    } else if (const auto it = table.find(word); it != table.end()) {
      ours = it->second;
    }
    for (const std::string& one : ours) {
      if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(one);
    }
  }
  return out;
}

void check_inert(const Spelling& row, std::span<const std::string> values, const std::string& name, const std::string& where) {
  const std::vector<std::string> harmless = split(row.values, '|');
  const auto fits = [&](const std::string& value) {
    return value.empty() || std::any_of(harmless.begin(), harmless.end(), [&](const std::string& one) { return same_value(one, value); });
  };
  if (among(harmless, "*") || std::all_of(values.begin(), values.end(), fits)) return;
  const std::string value = values.size() == 1 ? values[0] : "[" + join(values, ", ") + "]";
  throw ConfigError(where + ": " + name + ": " + printable(value) + " is not supported; " + std::string(row.why));
}

std::vector<std::string> translate_values(const Spelling& row, std::span<const std::string> values, const std::string& name,
                                          const std::string& where) {
  std::vector<std::string> out(values.begin(), values.end());
  const auto flag = [&] {
    const std::string value = out.size() == 1 ? plain_value(out[0]) : "";
    if (value != "true" && value != "false") throw ConfigError(where + ": " + name + ": expected true or false");
    return value == "true";
  };
  switch (row.rule) {
    case Rule::targets:
    case Rule::added: return translate_targets(values, true);
    case Rule::every: return flag() ? std::vector<std::string>{kAllLinear} : std::vector<std::string>{};
    case Rule::flag_off: return {flag() ? "false" : "true"};
    case Rule::unlimited:
      if (out.size() == 1 && out[0] == "-1") out[0] = "0";
      return out;
    case Rule::refines:
    case Rule::words: {
      if (out.size() != 1) throw ConfigError(where + ": " + name + " takes one value, found a list of " + std::to_string(out.size()));
      bool set = true;
      const std::string ours = one_of_words(row, out[0], name, where, &set);
      return set ? std::vector<std::string>{ours} : std::vector<std::string>{};
    }
    case Rule::same:
    case Rule::sequences:
    case Rule::warmup:
    case Rule::scale:
    case Rule::files: return out;
  }
  return out;
}

}  // namespace hellora
