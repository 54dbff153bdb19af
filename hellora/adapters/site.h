// Sites: the places of a model that an adapter can take. A site is one linear map, or one projection of the adapted
// experts of a layer; its members name the modules behind it.
#pragma once

#include <array>
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
  q_a,  // multi-head latent attention: queries and keys with values through a narrow latent
  q_b,
  kv_a,
  kv_b,
  shared_router,  // how much of the shared experts a token takes
  input_norm,     // from here on vectors
  post_norm,
  q_norm,
  k_norm,
  final_norm,
  q_a_norm,
  kv_a_norm,
  q_bias,
  k_bias,
  v_bias,
  o_bias,
};
inline constexpr size_t kSlots = static_cast<size_t>(Slot::o_bias) + 1;

constexpr bool is_expert_slot(Slot slot) { return slot == Slot::gate || slot == Slot::up || slot == Slot::down; }
constexpr bool is_bias_slot(Slot slot) { return slot >= Slot::q_bias; }
/// Norms and biases: no linear map, so no low-rank form.
constexpr bool is_vector_slot(Slot slot) { return slot >= Slot::input_norm; }
constexpr bool is_model_slot(Slot slot) { return slot == Slot::embed || slot == Slot::lm_head || slot == Slot::final_norm; }

/// The user's name for the group that a slot belongs to: q k v kv o router gate up down shared shared_router dense embed lm_head
/// norm bias.
std::string_view target_of(Slot slot);

/// One value per slot.
template <class Value>
class SlotMap {
 public:
  Value& operator[](Slot slot) { return values_[static_cast<size_t>(slot)]; }
  const Value& operator[](Slot slot) const { return values_[static_cast<size_t>(slot)]; }

 private:
  std::array<Value, kSlots> values_{};
};

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
  int64_t in = 0, out = 0;  // of each member's linear map; a vector has in = 1
  std::vector<SiteMember> members;

  /// "model.layers.3.mlp.experts.17.gate_proj.weight"
  std::string parameter(size_t member) const { return members[member].path + (is_bias_slot(slot) ? ".bias" : ".weight"); }
};

}  // namespace hellora
