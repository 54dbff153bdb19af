#include "hellora/select/profile.h"

#include <algorithm>
#include <numeric>

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/json_object.h"
#include "hellora/core/json_text.h"

namespace hellora {
namespace {

constexpr const char* kFormat = "hellora.profile/1";

constexpr int64_t kMaxLayers = 4096, kMaxExperts = 65536;
constexpr int64_t kMost = int64_t{1} << 40;  // per number read: sums over 65,536 experts stay far below 2^63

int64_t total(const std::vector<int64_t>& values) { return std::accumulate(values.begin(), values.end(), int64_t{0}); }

void read_other(const Json& halves, int64_t experts, int64_t top_k, const std::string& place, LayerProfile& layer) {
  if (!halves.is_array() || halves.size() != 2) throw FormatError(place + ": \"other_half\" must hold two lists");
  int64_t sum = 0;
  for (size_t h = 0; h < 2; ++h) {
    layer.other_half[h] = ints_member(Json{{"other_half", halves[h]}}, "other_half", place);
    if (static_cast<int64_t>(layer.other_half[h].size()) != experts)
      throw FormatError(place + ": every list must hold num_experts = " + std::to_string(experts) + " numbers");
    if (std::any_of(layer.other_half[h].begin(), layer.other_half[h].end(), [](int64_t c) { return c < 0 || c > kMost; }))
      throw FormatError(place + ": counts must lie between 0 and 2^40");
    sum += total(layer.other_half[h]);
  }
  if (sum % top_k != 0) throw FormatError(place + ": \"other_half\" does not sum to tokens x top_k");
}

LayerProfile layer_from_json(const Json& json, int64_t experts, int64_t top_k, const std::string& where) {
  LayerProfile layer;
  layer.layer = JsonObject(json, where).integer("layer", 0, kMaxLayers - 1);
  JsonObject object(json, where + ", layer " + std::to_string(layer.layer));
  const std::string& place = object.where();
  layer.tokens = object.integer("tokens", 0, kMost);
  layer.counts = object.integers("counts", 0, kMost);
  layer.mass = object.numbers("mass", 0, static_cast<double>(kMost));
  const Json& halves = object.at("counts_half");
  if (!halves.is_array() || halves.size() != 2) throw FormatError(place + ": \"counts_half\" must hold two lists");
  for (size_t h = 0; h < 2; ++h) {
    const Json half{{"counts_half", halves[h]}};
    layer.counts_half[h] = JsonObject(half, place).integers("counts_half", 0, kMost);
  }
  const auto e = static_cast<size_t>(experts);
  if (layer.counts.size() != e || layer.mass.size() != e || layer.counts_half[0].size() != e || layer.counts_half[1].size() != e) {
    throw FormatError(place + ": every list must hold num_experts = " + std::to_string(experts) + " numbers");
  }
  if (total(layer.counts) != layer.tokens * top_k) throw FormatError(place + ": counts do not sum to tokens x top_k");
  for (size_t i = 0; i < e; ++i) {
    if (layer.counts_half[0][i] + layer.counts_half[1][i] != layer.counts[i])
      throw FormatError(place + ": the halves do not sum to the counts");
  }
  if (const Json* other = object.find("other_half")) read_other(*other, experts, top_k, place, layer);
  object.harmless({"layer"});
  object.finish(Unknown::refuse);
  return layer;
}

std::vector<std::string> data_paths(JsonObject& data) {
  // One path, or several.
  const Json* one = data.find("paths");
  return one != nullptr && one->is_string() ? std::vector<std::string>{data.text("paths")} : data.texts("paths");
}

}  // namespace

std::optional<Profile> other_tokens(const Profile& profile) {
  Profile other = profile;
  other.tokens_counted = profile.tokens_counted == "label" ? "all" : "label";
  other.tokens = 0;
  for (LayerProfile& layer : other.layers) {
    if (layer.other_half[0].empty()) return std::nullopt;
    for (size_t h = 0; h < 2; ++h) {
      std::swap(layer.counts_half[h], layer.other_half[h]);
      layer.other_half[h].clear();
    }
    for (size_t e = 0; e < layer.counts.size(); ++e) layer.counts[e] = layer.counts_half[0][e] + layer.counts_half[1][e];
    layer.mass.assign(layer.mass.size(), 0);
    layer.tokens = total(layer.counts) / profile.top_k;
    other.tokens = layer.tokens;
  }
  return other;
}

Json profile_to_json(const Profile& profile) {
  Json json{{"format", kFormat}};
  json["model"] = {{"type", profile.model_type}, {"hash", profile.model_hash}};
  json["data"] = {{"paths", profile.data}, {"hash", profile.data_hash}, {"tokens", profile.tokens}};
  if (profile.skipped_bad > 0) json["data"]["skipped_bad"] = profile.skipped_bad;  // else absent: older hashes hold
  json["mode"] = profile.mode;
  json["tokens_counted"] = profile.tokens_counted;
  json["num_experts"] = profile.experts;
  json["top_k"] = profile.top_k;
  json["layers"] = Json::array();
  for (const LayerProfile& layer : profile.layers) {
    json["layers"].push_back({{"layer", layer.layer},
                              {"tokens", layer.tokens},
                              {"counts", layer.counts},
                              {"mass", layer.mass},
                              {"counts_half", {layer.counts_half[0], layer.counts_half[1]}}});
    if (!layer.other_half[0].empty()) json["layers"].back()["other_half"] = {layer.other_half[0], layer.other_half[1]};
  }
  return json;
}

Profile profile_from_json(const Json& json, const std::string& where) {
  JsonObject object(json, where);
  if (object.text("format") != kFormat) throw FormatError(where + ": format is not " + kFormat);
  Profile profile;
  JsonObject model(object.at("model"), where + ": model"), data(object.at("data"), where + ": data");
  profile.model_type = model.text("type");
  profile.model_hash = model.text_or("hash", "");
  model.finish(Unknown::refuse);
  profile.data = data_paths(data);
  profile.data_hash = data.text_or("hash", "");
  profile.tokens = data.integer("tokens", 0, kMost);
  if (data.has("skipped_bad")) profile.skipped_bad = data.integer("skipped_bad", 0, kMost);
  data.finish(Unknown::refuse);
  profile.mode = object.choice("mode", {"base", "warmup"});
  profile.tokens_counted = object.choice_or("tokens_counted", "all", {"all", "label"});
  profile.experts = object.integer("num_experts", 1, kMaxExperts);
  profile.top_k = object.integer("top_k", 1, profile.experts);
  const Json& layers = object.at("layers");
  if (!layers.is_array()) throw FormatError(where + ": \"layers\" must be an array");
  for (const Json& layer : layers) {
    profile.layers.push_back(layer_from_json(layer, profile.experts, profile.top_k, where));
    const size_t n = profile.layers.size();
    if (n > 1 && profile.layers[n - 1].layer <= profile.layers[n - 2].layer)
      throw FormatError(where + ": layers must be ascending numbers from 0");
  }
  if (profile.layers.empty()) throw FormatError(where + ": no layer");
  object.finish(Unknown::refuse);
  return profile;
}

Profile read_profile(const Path& path) { return profile_from_json(parse_json(read_text(path), path.string()), path.string()); }
void write_profile(const Path& path, const Profile& profile) { write_text_atomic(path, dump_json(profile_to_json(profile)) + "\n"); }
std::string profile_hash(const Profile& profile) { return hex64(hash_string(dump_json(profile_to_json(profile)))); }

RouteCounter::RouteCounter(std::span<const int64_t> routed, int64_t experts, bool labels_only) : labels_only_(labels_only) {
  for (const int64_t l : routed) {
    const auto e = static_cast<size_t>(experts);
    LayerProfile layer;
    layer.layer = l;
    layer.counts.assign(e, 0);
    layer.mass.assign(e, 0);
    for (size_t h = 0; h < 2; ++h) {
      layer.counts_half[h].assign(e, 0);
      layer.other_half[h].assign(e, 0);
    }
    layers.push_back(std::move(layer));
  }
}

void RouteCounter::begin(const PackedBatch& batch, const Dataset& data) {
  counts_T_.assign(batch.ids.size(), 0);
  other_T_.assign(batch.ids.size(), 0);
  half_T_.assign(batch.ids.size(), 0);
  for (const Document& document : batch.documents) {
    const auto half = static_cast<uint8_t>(data.examples[static_cast<size_t>(document.example)].record % 2);
    for (int64_t t = document.start; t < document.start + document.length; ++t) {
      half_T_[static_cast<size_t>(t)] = half;
      const bool label = batch.targets[static_cast<size_t>(t)] != kIgnore;
      counts_T_[static_cast<size_t>(t)] = !labels_only_ || label;
      other_T_[static_cast<size_t>(t)] = labels_only_ || label;
    }
  }
  tokens += std::count(counts_T_.begin(), counts_T_.end(), uint8_t{1});
}

void RouteCounter::on_route(int64_t layer, const Routing& routing) {
  const auto it = std::find_if(layers.begin(), layers.end(), [&](const LayerProfile& one) { return one.layer == layer; });
  HELLORA_CHECK(it != layers.end(), "the counter was not told about this layer");
  LayerProfile& profile = *it;
  const int64_t k = routing.ids_TK.size(1);
  const Tensor weights = routing.weights_TK.detach().to(at::kDouble).contiguous();
  const int64_t* ids = routing.ids_TK.const_data_ptr<int64_t>();
  const double* mass = weights.const_data_ptr<double>();
  HELLORA_CHECK(routing.ids_TK.size(0) == static_cast<int64_t>(counts_T_.size()), "the counter was told about another batch");
  for (size_t t = 0; t < counts_T_.size(); ++t) {
    const bool counts = counts_T_[t] != 0, other = other_T_[t] != 0;
    if (!counts && !other) continue;
    profile.tokens += counts ? 1 : 0;
    for (int64_t slot = 0; slot < k; ++slot) {
      const auto i = t * static_cast<size_t>(k) + static_cast<size_t>(slot);
      const auto e = static_cast<size_t>(ids[i]);
      if (other) ++profile.other_half[half_T_[t]][e];
      if (!counts) continue;
      ++profile.counts[e];
      ++profile.counts_half[half_T_[t]][e];
      profile.mass[e] += mass[i];
    }
  }
}

}  // namespace hellora
