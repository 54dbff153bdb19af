// The adapted modules of an adapter by their path in the checkpoint.
#pragma once

#include <map>
#include <string>

#include "hellora/adapters/adapter_set.h"
#include "hellora/model/shape.h"

namespace hellora {

/// One adapted module.
struct Module {
  const Site* site = nullptr;
  size_t member = 0;
  const Adapter* adapter = nullptr;
};

using Modules = std::map<std::string, Module>;

Modules modules_by_path(const AdapterSet& adapters);

/// The weight change of a module, in the dtype of its factors: zero plus the adapter.
Tensor weight_change(const Module& module);

/// How far two adapters are from meaning the same.
struct ChangeDifference {
  int64_t modules = 0;  // compared
  double largest = 0;   // largest ‖ΔW − ΔW'‖ / ‖ΔW‖
  std::string where;    // the module of `largest`
};

}  // namespace hellora
