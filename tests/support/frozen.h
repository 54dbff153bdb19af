// The frozen weight behind a member of a site.
#pragma once

#include "hellora/model/weights.h"

namespace hellora::testing {

/// A view: writing to it changes the model.
inline Tensor frozen_weight(const ModelWeights& weights, const Site& site, size_t member) {
  if (site.slot == Slot::embed) return weights.embed_VD;
  if (site.slot == Slot::final_norm) return weights.final_norm_D;
  if (site.slot == Slot::lm_head) return weights.lm_head_VD;
  const LayerWeights& w = weights.layers.at(static_cast<size_t>(site.layer));
  const int64_t expert = site.members.at(member).expert;
  switch (site.slot) {
    case Slot::q: return w.q_QD;
    case Slot::k: return w.k_KD;
    case Slot::v: return w.v_KD;
    case Slot::o: return w.o_DQ;
    case Slot::input_norm: return w.input_norm_D;
    case Slot::post_norm: return w.post_norm_D;
    case Slot::q_norm: return w.q_norm_Q;
    case Slot::k_norm: return w.k_norm_K;
    case Slot::router: return w.moe.router_ED;
    case Slot::gate: return w.moe.gate_EFD.select(0, expert);
    case Slot::up: return w.moe.up_EFD.select(0, expert);
    case Slot::down: return w.moe.down_EDF.select(0, expert);
    default: throw std::logic_error("a slot without a weight in the tests: " + std::string(target_of(site.slot)));
  }
}

}  // namespace hellora::testing
