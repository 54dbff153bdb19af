// What the part of an adapter means, out of plain tensor operators: the oracle of the fused paths.
#pragma once

#include "hellora/adapters/method.h"
#include "hellora/core/error.h"

namespace hellora::testing {

/// y of member m for input x and the base output.
inline Tensor plain_apply(const Adapter& adapter, size_t m, const Tensor& x_NI, const Tensor& base_y_NO) {
  const Part what = adapter.part(m);
  if (const auto* own = std::get_if<OwnWeight>(&what)) return at::matmul(x_NI, own->w.t());
  const auto* part = std::get_if<LowRank>(&what);
  HELLORA_CHECK(part != nullptr, "a scaled or general part is its own oracle");
  Tensor u_NR = at::matmul(x_NI, part->A_RI.t());
  if (part->gate_R.defined()) u_NR = u_NR * part->gate_R;
  Tensor change = at::matmul(u_NR, part->B_OR.t()) * part->scale;
  if (part->out_O.defined()) change = change * part->out_O;
  return base_y_NO + change;
}

}  // namespace hellora::testing
