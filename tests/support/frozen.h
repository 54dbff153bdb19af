// The frozen weight behind a member of a site: reading it, and putting another in its place.
#pragma once

#include "hellora/model/weights.h"

namespace hellora::testing {

/// The packed matrix, or null for a weight that is kept as a tensor.
inline const kernels::Packed* packed_place(const ModelWeights& weights, const Site& site, size_t member) {
  if (site.slot == Slot::lm_head) return &weights.lm_head;
  if (site.layer < 0) return nullptr;
  const LayerWeights& w = weights.layers.at(static_cast<size_t>(site.layer));
  const auto expert = static_cast<size_t>(std::max<int64_t>(0, site.members.at(member).expert));
  switch (site.slot) {
    case Slot::q: return &w.q;
    case Slot::k: return &w.k;
    case Slot::v: return &w.v;
    case Slot::o: return &w.o;
    case Slot::router: return &w.moe.router;
    case Slot::gate: return &w.moe.gate.at(expert);
    case Slot::up: return &w.moe.up.at(expert);
    case Slot::down: return &w.moe.down.at(expert);
    default: return nullptr;
  }
}

/// The tensor of a weight that is not packed.
inline Tensor tensor_place(const ModelWeights& weights, const Site& site) {
  if (site.slot == Slot::embed) return weights.embed_VD;
  if (site.slot == Slot::final_norm) return weights.final_norm_D;
  const LayerWeights& w = weights.layers.at(static_cast<size_t>(site.layer));
  switch (site.slot) {
    case Slot::input_norm: return w.input_norm_D;
    case Slot::post_norm: return w.post_norm_D;
    case Slot::q_norm: return w.q_norm_Q;
    case Slot::k_norm: return w.k_norm_K;
    default: throw std::logic_error("a slot without a weight in the tests: " + std::string(target_of(site.slot)));
  }
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
