#include "hellora/recipe/settings.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"
#include "hellora/recipe/places.h"
#include "hellora/recipe/recipes.h"

namespace hellora {
namespace {

constexpr auto kPaths =
    std::to_array<std::string_view>({"output", "data.train", "data.eval", "data.forget", "data.chat_template", "select.plan"});

bool is_path(std::string_view key) { return std::find(kPaths.begin(), kPaths.end(), key) != kPaths.end(); }

std::string shown(const std::vector<std::string>& values) {
  return values.size() == 1 ? printable(values[0]) : std::string("[").append(printable(join(values, ", "))).append("]");
}

/// The items of "a, b" or "[a, b]"; names are parted by spaces too, file names are not.
std::vector<std::string> list_items(const std::string& value, bool spaces) {
  std::string inner = trim(value);
  if (inner.size() >= 2 && inner.front() == '[' && inner.back() == ']') inner = inner.substr(1, inner.size() - 2);
  std::vector<std::string> items;
  for (const std::string& part : split(inner, ',')) {
    for (const std::string& word : spaces ? std::vector<std::string>{trim(part)} : split(trim(part), ' ')) {
      if (!word.empty()) items.push_back(word);
    }
  }
  return items;
}

/// Steps as a share that gives exactly so many steps again.
double share_of_steps(int64_t steps, int64_t total) {
  double share = static_cast<double>(steps) / static_cast<double>(total);
  if (std::ceil(share * static_cast<double>(total)) > static_cast<double>(steps)) share = std::nextafter(share, 0.0);
  return share;
}

}  // namespace

Settings::Settings(RunConfig* config) : config_(config), fields_(config_fields(config)), scratch_fields_(config_fields(&scratch_)) {}

void Settings::take(const YamlEntry& entry, const std::string& file) {
  const std::string where = file + ":" + std::to_string(entry.line);
  const Meaning meaning = find_meaning(fields_, entry.key, where);
  if (entry.is_null) return;  // null is the default
  std::vector<std::string> values = entry.values;
  const bool list = meaning.field != nullptr && meaning.field->is_list;
  if (list && !entry.is_list) {  // "targets: q k v" reads as three names, and an empty text as none
    values = meaning.field->spaces ? std::vector<std::string>{values.at(0)} : split(values.at(0), ' ');
    std::erase(values, "");
  }
  put(entry.key, meaning, std::move(values), where, Source::file);
}

void Settings::take(const std::string& argument) {
  const size_t equals = argument.find('=');
  const std::string where = "argument " + printable(argument);
  if (equals == std::string::npos) throw ConfigError(where + ": expected key=value");
  const std::string name = argument.substr(0, equals), value = argument.substr(equals + 1);
  const Meaning meaning = find_meaning(fields_, name, where);
  if (value == "null" || value == "~") return forget(name, where);
  const bool bracketed = value.starts_with('[') && value.ends_with(']');
  const bool list = meaning.field != nullptr ? meaning.field->is_list : bracketed;
  put(name, meaning, list ? list_items(value, meaning.field != nullptr && meaning.field->spaces) : std::vector<std::string>{value}, where,
      Source::argument);
}

/// "key=null": as if neither the file nor an earlier argument had set it.
void Settings::forget(const std::string& name, const std::string& where) {
  const Meaning meaning = find_meaning(fields_, name, where);
  if (meaning.field != nullptr) given_.erase(meaning.field->key);
}

void Settings::put(const std::string& name, const Meaning& meaning, std::vector<std::string> values, const std::string& where,
                   Source source) {
  const Spelling* row = meaning.spelling;
  if (meaning.field == nullptr) {
    check_inert(*row, values, name, where);
    return log_info(where + ": " + printable(name) + " changes nothing here: " + std::string(row->why));
  }
  const std::string& key = meaning.field->key;
  if (row != nullptr) {
    values = translate_values(*row, values, name, where);
    const bool nothing = row->rule == Rule::words || row->rule == Rule::refines || row->rule == Rule::every || row->rule == Rule::added;
    if (values.empty() && nothing) return log_info(where + ": " + printable(name) + " changes nothing here: " + key + " stays as it is");
  }
  if (name != key) log_info(where + ": " + printable(name) + " is called " + key + " here");
  if (key == "adapter.targets" && row == nullptr) values = translate_targets(values, false);
  Given given{std::move(values), name, where, source, row, nullptr};
  if (row != nullptr && (row->rule == Rule::sequences || row->rule == Rule::warmup || row->rule == Rule::scale)) {
    if (given.values.size() != 1) throw ConfigError(where + ": " + name + " takes one number");
    const double number = parse_double(given.values[0], where + ": " + printable(name));
    if (row->rule == Rule::warmup && number == 0)
      return log_info(where + ": " + printable(name) + ": 0 changes nothing here: train.warmup_ratio decides");
    given.later = row;
  } else {
    given.values = checked(key, std::move(given.values), where);
  }
  store(key, std::move(given));
}

/// The values as they will be printed, so that 2e-4 and 0.0002 are the same.
std::vector<std::string> Settings::checked(const std::string& key, std::vector<std::string> values, const std::string& where) {
  for (std::string& value : values) {
    if (is_path(key)) value = expand_home(value, where + ": " + key);
    if (key == "model") value = find_place(value, where + ": model");
    if (key == "data.train" || key == "data.eval" || key == "data.forget") check_data_file(value, where + ": " + key);
  }
  scratch_fields_.set(key, values, where);
  return scratch_fields_.find(key, where).get();
}

/// Entries of one list of files, and targets that are given in parts (modules and parameters).
bool Settings::joins(const Given& before, const Given& given) {
  const auto adds = [](const Given& one) { return one.row != nullptr && (one.row->rule == Rule::added || one.row->rule == Rule::every); };
  if (given.row != nullptr && given.row->rule == Rule::files) return given.source == Source::file && before.row == given.row;
  return adds(before) || adds(given);
}

/// "adapter: lora" beside "use_rslora: true" says one thing.
bool Settings::refines(const Given& one, const Given& other) {
  const std::vector<std::string> plain = {"lora"};
  return one.row != nullptr && one.row->rule == Rule::refines && other.values == plain;
}

void Settings::store(const std::string& key, Given given) {
  const auto it = given_.find(key);
  if (it == given_.end() || (it->second.source == Source::file && given.source == Source::argument)) {
    given_[key] = std::move(given);
    return;
  }
  Given& before = it->second;
  if (refines(given, before)) {
    before = std::move(given);
    return;
  }
  if (refines(before, given)) return;
  if (joins(before, given)) {
    for (const std::string& value : given.values) {
      if (std::find(before.values.begin(), before.values.end(), value) == before.values.end()) before.values.push_back(value);
    }
    return;
  }
  if (before.values == given.values && before.later == given.later) return;
  if (before.source == Source::argument && before.name == given.name) {
    log_info(given.where + ": replaces " + shown(before.values) + " that an earlier argument gave");
    before = std::move(given);
    return;
  }
  throw ConfigError(given.where + ": " + printable(given.name) + " sets " + key + " to " + shown(given.values) + ", but " +
                    printable(before.name) + " (" + before.where + ") to " + shown(before.values) + "; keep one of them");
}

void Settings::apply() {
  for (const auto& [key, given] : given_) {
    config_->given.insert(key);
    if (given.later == nullptr) fields_.set(key, given.values, given.where);
  }
  for (const Recipe& recipe : recipes()) {
    if (recipe.name != config_->recipe) continue;
    for (const RecipeSetting& setting : recipe.settings) {
      const std::string key(setting.key);
      if (!given_.contains(key)) fields_.set_text(key, std::string(setting.value), "recipe " + config_->recipe);
    }
  }
  for (const auto& [key, given] : given_) {
    if (given.later != nullptr) apply_later(key, given);
    if (of_another_method(config_->adapter, key)) {
      throw ConfigError(given.where + ": " + key + " is a setting of another method; adapter.method is " + config_->adapter.method);
    }
  }
}

std::string Settings::later_value(const Given& given) {
  const std::string& text = given.values[0];
  const std::string place = given.where + ": " + printable(given.name);
  if (given.later->rule == Rule::sequences) {
    const int64_t sequences = parse_int(text, place);
    if (sequences < 1 || sequences > (1 << 20)) throw ConfigError(place + ": " + text + " is not acceptable; expected 1 sequence or more");
    return std::to_string(sequences * config_->data.max_length);
  }
  const double number = parse_double(text, place);
  if (given.later->rule == Rule::scale) {
    scratch_.adapter.alpha = number * static_cast<double>(config_->adapter.rank);
    return scratch_fields_.find("adapter.alpha", place).get().at(0);
  }
  const int64_t total = config_->train.max_steps;
  scratch_.train.warmup_ratio = number;
  if (!(number > 0 && number < 1)) {  // a share already, as newer versions of transformers allow
    const int64_t steps = parse_int(text, place);
    if (total == 0)
      throw ConfigError(
          place +
          ": steps become train.warmup_ratio only where train.max_steps is given too; write train.warmup_ratio, a share of all steps");
    if (steps < 0 || steps > total)
      throw ConfigError(place + ": " + text + " is not acceptable; expected 0 to train.max_steps, " + std::to_string(total));
    scratch_.train.warmup_ratio = share_of_steps(steps, total);
  }
  return scratch_fields_.find("train.warmup_ratio", place).get().at(0);
}

void Settings::apply_later(const std::string& key, const Given& given) {
  const std::string value = later_value(given);
  fields_.set(key, {&value, 1}, given.where + ": " + printable(given.name));
}

}  // namespace hellora
