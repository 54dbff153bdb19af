#include "hellora/export/same_settings.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/json_object.h"
#include "hellora/core/json_text.h"
#include "hellora/io/paths.h"
#include "hellora/model/model_files.h"

namespace hellora {
namespace {

// Who wrote the file, in what the weights are kept, where they came from, and how a class computes the same.
constexpr auto kHarmless = std::to_array<std::string_view>(
    {"transformers_version", "torch_dtype", "dtype", "_name_or_path", "name_or_path", "_commit_hash", "use_cache", "_from_model_config",
     "_attn_implementation", "_attn_implementation_autoset", "attn_implementation", "tokenizer_file", "special_tokens_map_file"});
constexpr size_t kShown = 60;

/// Objects compare by their keys, in whatever order they stand.
bool same(const Json& a, const Json& b) { return nlohmann::json::parse(dump_json(a)) == nlohmann::json::parse(dump_json(b)); }

std::string shown(const Json* value) {
  if (value == nullptr) return "absent";
  std::string text = dump_json(*value);
  if (text.size() > kShown) text = text.substr(0, kShown) + "…";
  return text;
}

const Json* find(const Json& object, const std::string& key) {
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

std::string object_difference(const std::string& name, const Json& base, const Json& other) {
  std::set<std::string> keys;
  for (const Json* one : {&base, &other}) {
    for (const auto& [key, unused] : one->items()) keys.insert(key);
  }
  for (const std::string& key : keys) {
    if (std::find(kHarmless.begin(), kHarmless.end(), key) != kHarmless.end()) continue;
    const Json *want = find(base, key), *have = find(other, key);
    const bool inert = (want == nullptr || is_inert(*want)) && (have == nullptr || is_inert(*have)) && (want == nullptr || have == nullptr);
    if (inert || (want != nullptr && have != nullptr && same(*want, *have))) continue;
    return name + ": " + key + " is " + shown(have) + ", the base has " + shown(want);
  }
  return "";
}

std::string file_difference(const std::string& name, const Path& base, const Path& other) {
  if (!is_file(other)) return name + ": is missing";
  const std::string want = read_text(base), have = read_text(other);
  if (want == have) return "";
  if (base.extension() != ".json") return name + ": differs from the base's";
  const Json a = parse_json(want, base.string()), b = parse_json(have, other.string());
  if (a.is_object() && b.is_object()) return object_difference(name, a, b);
  return same(a, b) ? "" : name + ": differs from the base's";
}

}  // namespace

std::string settings_difference(const Path& base, const Path& other) {
  std::string difference = file_difference("config.json", base / "config.json", other / "config.json");
  std::set<std::string> names;
  for (const Path& folder : {base, other}) {
    for (const std::string& name : model_files(folder)) {
      if (changes_text(name)) names.insert(name);
    }
  }
  for (const std::string& name : names) {
    if (!difference.empty()) break;
    difference = is_file(base / name) ? file_difference(name, base / name, other / name) : name + ": the base has none";
  }
  return difference;
}

}  // namespace hellora
