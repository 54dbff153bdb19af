// Linear maps with whatever their adapters add. N rows, I in, O out.
#pragma once

#include "hellora/adapters/method.h"
#include "hellora/adapters/step_context.h"
#include "hellora/tensor/grouped_linear.h"

namespace hellora {

/// x after dropout where the context asks for it, else undefined ("read x itself"). token_N and expert_N may be undefined.
Tensor adapter_input(const Tensor& x_NI, const StepContext& context, int64_t layer, Slot input, const Tensor& token_N = {},
                     const Tensor& expert_N = {});

/// A linear map of every group of rows, and what a site's adapter makes of the first groups in this pass: member m is group m.
struct AdaptedMap {
  AdaptedMap(std::vector<kernels::Packed> frozen_of_groups, const Adapter* site, size_t adapted);
  /// One group, of a site with one member.
  AdaptedMap(const kernels::Packed& one, const Adapter* site) : AdaptedMap({one}, site, 1) {}

  std::vector<kernels::Packed> frozen;  // by group
  const Adapter* adapter = nullptr;     // null: the frozen weights alone
  std::vector<Part> parts;              // of the first groups, all of one form

  template <class Form>
  bool is() const {
    return !parts.empty() && std::holds_alternative<Form>(parts[0]);
  }
  /// As the engine takes it; what scaled and general parts are beside their low-rank part is left out.
  GroupedMap grouped() const;
};

/// One output (N, O) per map, of one input. What the adapters add reads x_low where that is defined: the rows of adapted groups.
std::vector<Tensor> adapted_groups(const Tensor& x, const Tensor& x_low_NI, const RowGroups& groups, std::span<const AdaptedMap> maps,
                                   const Compute& compute);

/// The same with all rows as one group.
std::vector<Tensor> adapted_linear(const Tensor& x_NI, const Tensor& x_low_NI, std::span<const AdaptedMap> maps, const Compute& compute);
/// The same for one map.
Tensor adapted_linear(const Tensor& x_NI, const Tensor& x_low_NI, const AdaptedMap& map, const Compute& compute);

/// The vector or table that takes part: the adapter's own (full training) or the frozen one.
Tensor effective_weight(const Tensor& frozen, const Adapter* adapter);

}  // namespace hellora
