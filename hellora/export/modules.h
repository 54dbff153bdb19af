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

  /// Rows [first, first + base_rows.size(0)) of its weight with the adapter folded in, from the same rows of the base.
  Tensor adapted_rows(const Tensor& base_rows, int64_t first) const { return adapter->adapted_rows(base_rows, first, member); }
};

using Modules = std::map<std::string, Module>;

Modules modules_by_path(const AdapterSet& adapters);

/// The weight change of a module, in the dtype of its factors: zero plus the adapter.
Tensor weight_change(const Module& module);

/// CheckFailed names the first tensor of the adapter, with its row, that is not finite, or the module whose scale is not.
void require_finite(const AdapterSet& adapters, const std::string& where);

/// ‖ΔW‖ of a module, summed in pieces in fp64; CheckFailed when it does not fit into fp32. `base` is asked for the weight where the
/// change depends on it.
double change_norm(const std::string& path, const Module& module, const BaseWeight& base = {});

/// How far two adapters are from meaning the same.
struct ChangeDifference {
  int64_t modules = 0;       // compared
  double largest = 0;        // largest ‖ΔW − ΔW'‖ / ‖ΔW‖; infinite when a change is missing, too much or not finite
  std::string where;         // the module of `largest`
  double rounding_loss = 0;  // what 16-bit factors lose: ‖round(B) round(A) − B A‖ / ‖B A‖ over all modules

  /// Takes a module's difference into account; one that is not finite counts as infinite.
  void note(const std::string& path, double relative);
};

}  // namespace hellora
