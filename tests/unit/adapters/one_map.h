// One linear map with the adapter of a method on it, and settings by their keys.
#pragma once

#include "hellora/adapters/adapter_set.h"
#include "hellora/adapters/linear.h"
#include "hellora/tensor/frozen.h"
#include "tests/support/tensors.h"

namespace hellora::testing {

using Setting = std::pair<std::string, std::string>;

inline AdapterConfig config_of(const std::string& method, int64_t rank, double alpha, const std::vector<Setting>& settings = {}) {
  AdapterConfig config;
  config.method = method;
  config.rank = rank;
  config.alpha = alpha;
  Fields fields;
  fields.add(adapter_fields(&config));
  for (const auto& [key, value] : settings) fields.set_text("adapter." + key, value, "test");
  return config;
}

inline Site site_of(int64_t in, int64_t out, int64_t rank, const std::string& path = "some.q_proj", Slot slot = Slot::q) {
  return {0, slot, in, out, {{-1, rank, 0, path}}};
}

/// One map with its frozen weight, every value of the adapter random.
struct OneMap {
  OneMap(const AdapterConfig& config, int64_t in, int64_t out, uint64_t seed)
      : w_OI(random_tensor({out, in}, seed)),
        set(
            {site_of(in, out, config.rank)}, config, 1, [this](const std::string&) { return w_OI; }, at::kDouble),
        x_NI(random_leaf({7, in}, seed + 1)),
        packed(arena.add(w_OI, kernels::WeightType::f64)) {}
  void randomise(uint64_t seed) {
    for (size_t i = 0; i < set.specs().size(); ++i) set.param(i).detach().copy_(random_tensor(set.specs()[i].shape, seed + i));
  }
  const Adapter& adapter() const { return *set.find(0, Slot::q); }
  Tensor out(const Tensor& x_low = {}) const { return adapted_linear(x_NI, x_low, {packed, &adapter()}, {}); }
  Tensor param(const std::string& end) const { return set.param("some.q_proj" + end); }

  Tensor w_OI;
  AdapterSet set;
  Tensor x_NI;
  FrozenWeights arena;
  kernels::Packed packed;
};

}  // namespace hellora::testing
