// Sites: the places of a model that an adapter can take. A site is one linear map, or one projection of the adapted
// experts of a layer; its members name the modules behind it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hellora {

enum class Slot : uint8_t {
  q,
  k,
  v,
  o,
  router,
  gate,
  up,
  down,
  shared_gate,
  shared_up,
  shared_down,
  dense_gate,
  dense_up,
  dense_down,
  embed,
  lm_head,
  input_norm,
  post_norm,
  q_norm,
  k_norm,
  final_norm,
};

constexpr bool is_expert_slot(Slot slot) { return slot == Slot::gate || slot == Slot::up || slot == Slot::down; }
constexpr bool is_norm_slot(Slot slot) { return slot >= Slot::input_norm; }

/// The user's name for the group that a slot belongs to: q k v o router gate up down shared dense embed lm_head norm.
std::string_view target_of(Slot slot);

/// One adapted module.
struct SiteMember {
  int64_t expert = -1;  // -1: not an expert
  int64_t rank = 0;
  double alpha = 0;  // 0: adapter.alpha
  std::string path;  // module path in the checkpoint, e.g. "model.layers.3.mlp.experts.17.gate_proj"
};

struct Site {
  int64_t layer = -1;  // -1: outside the decoder layers
  Slot slot = Slot::q;
  int64_t in = 0, out = 0;  // of each member's linear map; a norm has in = 1
  std::vector<SiteMember> members;
};

}  // namespace hellora
