#include "hellora/adapters/site.h"

namespace hellora {

std::string_view target_of(Slot slot) {
  switch (slot) {
    case Slot::q:
    case Slot::q_a:
    case Slot::q_b: return "q";
    case Slot::k: return "k";
    case Slot::v: return "v";
    case Slot::kv_a:
    case Slot::kv_b: return "kv";
    case Slot::o: return "o";
    case Slot::router: return "router";
    case Slot::gate: return "gate";
    case Slot::up: return "up";
    case Slot::down: return "down";
    case Slot::shared_gate:
    case Slot::shared_up:
    case Slot::shared_down: return "shared";
    case Slot::shared_router: return "shared_router";
    case Slot::dense_gate:
    case Slot::dense_up:
    case Slot::dense_down: return "dense";
    case Slot::embed: return "embed";
    case Slot::lm_head: return "lm_head";
    case Slot::input_norm:
    case Slot::post_norm:
    case Slot::q_norm:
    case Slot::k_norm:
    case Slot::q_a_norm:
    case Slot::kv_a_norm:
    case Slot::final_norm: return "norm";
    case Slot::q_bias:
    case Slot::k_bias:
    case Slot::v_bias:
    case Slot::o_bias: return "bias";
  }
  return "";
}

}  // namespace hellora
