// The frozen weight behind a member of a site: reading it, and putting another in its place.
#pragma once

#include "hellora/model/weights.h"

namespace hellora::testing {

/// The packed matrix, or null for a weight that is kept as a tensor.
inline const kernels::Packed* packed_place(const ModelWeights& weights, const Site& site, size_t member) {
  if (site.slot == Slot::lm_head) return &weights.lm_head;
  if (site.layer < 0 || is_vector_slot(site.slot)) return nullptr;
  return &weights.layers.at(static_cast<size_t>(site.layer)).packed(site.slot, site.members.at(member).expert);
}

/// The tensor of a weight that is not packed.
inline Tensor tensor_place(const ModelWeights& weights, const Site& site) {
  if (site.slot == Slot::embed) return weights.embed_VD;
  if (site.slot == Slot::final_norm) return weights.final_norm_D;
  return weights.layers.at(static_cast<size_t>(site.layer)).vector[site.slot];
}

inline Tensor frozen_weight(const ModelWeights& weights, const Site& site, size_t member) {
  const kernels::Packed* packed = packed_place(weights, site, member);
  return packed != nullptr ? dense(*packed) : tensor_place(weights, site);
}

/// Changes the model; its arena belongs to the test.
inline void set_frozen_weight(const ModelWeights& weights, const Site& site, size_t member, const Tensor& value) {
  if (const kernels::Packed* packed = packed_place(weights, site, member)) {
    const Tensor plain = value.contiguous();
    kernels::pack_matrix(plain_of(plain), 1.0, *packed, const_cast<void*>(packed->data));
  } else {
    tensor_place(weights, site).copy_(value);
  }
}

}  // namespace hellora::testing
