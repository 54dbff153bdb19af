#include "hellora/select/policy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "hellora/core/error.h"
#include "hellora/core/rng.h"
#include "hellora/core/text.h"
#include "hellora/select/ranks.h"

namespace hellora {
namespace {

using Experts = std::vector<int64_t>;

/// Expert ids by descending value; equal values by ascending id.
template <class Value>
Experts ranked(const std::vector<Value>& values, bool descending = true) {
  Experts order(values.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const Value va = values[static_cast<size_t>(a)], vb = values[static_cast<size_t>(b)];
    return descending ? va > vb : va < vb;
  });
  return order;
}

Experts first_sorted(Experts order, int64_t k) {
  order.resize(static_cast<size_t>(k));
  std::sort(order.begin(), order.end());
  return order;
}

template <class Rank>
std::vector<Experts> per_layer(const Profile& profile, int64_t k, Rank rank) {
  std::vector<Experts> out;
  for (const LayerProfile& layer : profile.layers) out.push_back(first_sorted(rank(layer), k));
  return out;
}

std::vector<Experts> choose_hot(const Profile& profile, const SelectConfig&, int64_t k, uint64_t) {
  return per_layer(profile, k, [](const LayerProfile& layer) { return ranked(layer.counts); });
}

std::vector<Experts> choose_cold(const Profile& profile, const SelectConfig&, int64_t k, uint64_t) {
  return per_layer(profile, k, [](const LayerProfile& layer) { return ranked(layer.counts, false); });
}

std::vector<Experts> choose_mass(const Profile& profile, const SelectConfig&, int64_t k, uint64_t) {
  return per_layer(profile, k, [](const LayerProfile& layer) { return ranked(layer.mass); });
}

std::vector<Experts> choose_random(const Profile& profile, const SelectConfig&, int64_t k, uint64_t seed) {
  return per_layer(profile, k, [&](const LayerProfile& layer) {
    const RngKey key = make_key(seed, hash_text("random policy"), layer.layer);
    std::vector<double> draw(layer.counts.size());
    for (size_t e = 0; e < draw.size(); ++e) draw[e] = unit_double(key, e);
    return ranked(draw);
  });
}

int64_t clamped_k(int64_t k, const SelectConfig& config, int64_t experts) {
  const int64_t most = config.max_k > 0 ? std::min(config.max_k, experts) : experts;
  return std::clamp(k, std::min(config.min_k, most), most);
}

std::vector<Experts> choose_coverage(const Profile& profile, const SelectConfig& config, int64_t, uint64_t) {
  std::vector<Experts> out;
  for (const LayerProfile& layer : profile.layers) {
    const Experts order = ranked(layer.counts);
    int64_t k = 0;
    while (k < profile.experts && coverage_of(layer, std::span(order).first(static_cast<size_t>(k))) < config.coverage) ++k;
    out.push_back(first_sorted(order, clamped_k(k, config, profile.experts)));
  }
  return out;
}

/// The busiest layers × k experts over all layers together, within min_k and max_k per layer.
std::vector<Experts> choose_global(const Profile& profile, const SelectConfig& config, int64_t k, uint64_t) {
  std::vector<Experts> orders;
  std::vector<int64_t> taken(profile.layers.size(), clamped_k(0, config, profile.experts));
  for (const LayerProfile& layer : profile.layers) orders.push_back(ranked(layer.counts));
  const int64_t most = clamped_k(profile.experts, config, profile.experts);
  auto left = k * static_cast<int64_t>(profile.layers.size()) - std::accumulate(taken.begin(), taken.end(), int64_t{0});
  for (; left > 0; --left) {
    size_t best = profile.layers.size();
    int64_t best_count = -1;
    for (size_t l = 0; l < profile.layers.size(); ++l) {
      if (taken[l] >= most) continue;
      const int64_t count = profile.layers[l].counts[static_cast<size_t>(orders[l][static_cast<size_t>(taken[l])])];
      if (count > best_count) {
        best = l;
        best_count = count;
      }
    }
    if (best == profile.layers.size()) break;
    ++taken[best];
  }
  std::vector<Experts> out;
  for (size_t l = 0; l < orders.size(); ++l) out.push_back(first_sorted(orders[l], taken[l]));
  return out;
}

std::vector<Experts> choose_all(const Profile& profile, const SelectConfig&, int64_t, uint64_t) {
  return per_layer(profile, profile.experts, [](const LayerProfile& layer) { return ranked(layer.counts); });
}

constexpr std::array<Policy, 7> kPolicies = {{
    {"hot", "the k experts of each layer that are chosen most often", choose_hot},
    {"cold", "the k experts chosen least often (a control)", choose_cold},
    {"random", "k random experts of each layer, by the seed (a control)", choose_random},
    {"mass", "the k experts with the largest sum of routing weights", choose_mass},
    {"coverage", "as few experts as reach select.coverage of the routed slots", choose_coverage},
    {"global-hot", "the busiest layers x k experts over all layers together", choose_global},
    {"all", "every expert: ordinary LoRA", choose_all},
}};

}  // namespace

std::span<const Policy> policies() { return kPolicies; }

const Policy& find_policy(const std::string& name) {
  std::vector<std::string> names;
  for (const Policy& policy : kPolicies) {
    if (policy.name == name) return policy;
    names.emplace_back(policy.name);
  }
  const std::string near = nearest_name(name, names);
  throw ConfigError("select.policy: unknown policy \"" + name + "\"; known: " + join(names, ", ") +
                    (near.empty() ? "" : "; nearest: " + near));
}

int64_t resolve_k(const std::string& text, int64_t auto_k, int64_t experts) {
  if (text == "auto") return auto_k;
  int64_t k = 0;
  if (text.ends_with('%')) {
    const double percent = parse_double(text.substr(0, text.size() - 1), "select.k");
    if (!(percent > 0 && percent <= 100)) throw ConfigError("select.k: " + text + " must lie above 0% and up to 100%");
    k = static_cast<int64_t>(std::ceil(percent / 100 * static_cast<double>(experts) - 1e-9));
  } else {
    k = parse_int(text, "select.k");
  }
  if (k < 1 || k > experts)
    throw ConfigError("select.k: " + text + " must lie between 1 and the model's " + std::to_string(experts) + " experts");
  return k;
}

double coverage_of(const LayerProfile& layer, std::span<const int64_t> experts) {
  const double all = static_cast<double>(std::accumulate(layer.counts.begin(), layer.counts.end(), int64_t{0}));
  double taken = 0;
  for (const int64_t e : experts) taken += static_cast<double>(layer.counts[static_cast<size_t>(e)]);
  return all > 0 ? taken / all : 0;
}

double split_half_overlap(const LayerProfile& layer, int64_t k) {
  const Experts a = first_sorted(ranked(layer.counts_half[0]), k), b = first_sorted(ranked(layer.counts_half[1]), k);
  Experts both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return static_cast<double>(both.size()) / static_cast<double>(k);
}

namespace {

std::vector<int64_t> loads_of(const LayerProfile& layer, std::span<const int64_t> experts) {
  std::vector<int64_t> loads;
  for (const int64_t e : experts) loads.push_back(layer.counts[static_cast<size_t>(e)]);
  return loads;
}

}  // namespace

Plan select_experts(const Profile& profile, const SelectConfig& config, int64_t auto_k, uint64_t seed, int64_t rank) {
  const Policy& policy = find_policy(config.policy);
  const int64_t k = resolve_k(config.k, auto_k, profile.experts);
  const bool shares = config.rank_by == "coverage";
  if (shares && rank < 1) throw ConfigError("select.rank_by: coverage shares a rank out; give it (--rank R, or adapter.rank)");
  const auto chosen = policy.choose(profile, config, k, seed);
  Plan plan;
  plan.policy = std::string(policy.name);
  plan.arguments = Json{{"k", k}, {"coverage", config.coverage}, {"min_k", config.min_k}, {"max_k", config.max_k}, {"seed", seed}};
  if (shares) {
    plan.arguments["rank_by"] = config.rank_by;
    plan.base_rank = rank;
  }
  plan.profile_hash = profile_hash(profile);
  plan.model_hash = profile.model_hash;
  for (size_t l = 0; l < profile.layers.size(); ++l) {
    LayerPlan layer{profile.layers[l].layer, {}, coverage_of(profile.layers[l], chosen[l])};
    const std::vector<int64_t> ranks =
        shares ? share_ranks(loads_of(profile.layers[l], chosen[l]), rank) : std::vector<int64_t>(chosen[l].size(), rank);
    for (size_t i = 0; i < ranks.size(); ++i) layer.experts.push_back({chosen[l][i], ranks[i]});
    plan.layers.push_back(std::move(layer));
  }
  return plan;
}

}  // namespace hellora
