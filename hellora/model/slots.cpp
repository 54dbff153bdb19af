#include "hellora/model/slots.h"

#include <array>

#include "hellora/core/error.h"

namespace hellora {
namespace {

constexpr auto kLayerSlots =
    std::to_array<Slot>({Slot::input_norm, Slot::q,           Slot::q_a,        Slot::q_a_norm, Slot::q_b,           Slot::k,
                         Slot::v,          Slot::kv_a,        Slot::kv_a_norm,  Slot::kv_b,     Slot::q_bias,        Slot::k_bias,
                         Slot::v_bias,     Slot::q_norm,      Slot::k_norm,     Slot::o,        Slot::o_bias,        Slot::post_norm,
                         Slot::router,     Slot::gate,        Slot::up,         Slot::down,     Slot::shared_router, Slot::shared_gate,
                         Slot::shared_up,  Slot::shared_down, Slot::dense_gate, Slot::dense_up, Slot::dense_down});

bool in_attention(const ModelShape& s, Slot slot) {
  switch (slot) {
    case Slot::q: return !s.has_latent() || s.latent.q_rank == 0;
    case Slot::q_a:
    case Slot::q_a_norm:
    case Slot::q_b: return s.has_latent() && s.latent.q_rank > 0;
    case Slot::kv_a:
    case Slot::kv_a_norm:
    case Slot::kv_b: return s.has_latent();
    case Slot::k:
    case Slot::v: return !s.has_latent();
    case Slot::q_bias:
    case Slot::k_bias:
    case Slot::v_bias: return s.qkv_bias;
    case Slot::o_bias: return s.o_bias;
    case Slot::q_norm:
    case Slot::k_norm: return s.qk_norm != QkNorm::none;
    default: return slot == Slot::o || slot == Slot::input_norm || slot == Slot::post_norm;
  }
}

}  // namespace

std::span<const Slot> layer_slots() { return kLayerSlots; }

bool has_slot(const ModelShape& s, Slot slot, int64_t layer) {
  if (is_model_slot(slot) || layer < 0) return is_model_slot(slot) && layer < 0 && (slot != Slot::lm_head || !s.tied_embeddings);
  switch (slot) {
    case Slot::router:
    case Slot::gate:
    case Slot::up:
    case Slot::down: return s.routed(layer);
    case Slot::shared_router: return s.routed(layer) && s.shared_width > 0 && s.shared_gated;
    case Slot::shared_gate:
    case Slot::shared_up:
    case Slot::shared_down: return s.routed(layer) && s.shared_width > 0;
    case Slot::dense_gate:
    case Slot::dense_up:
    case Slot::dense_down: return !s.routed(layer);
    default: return in_attention(s, slot);
  }
}

bool has_slot(const ModelShape& shape, Slot slot) {
  if (is_model_slot(slot)) return has_slot(shape, slot, -1);
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    if (has_slot(shape, slot, layer)) return true;
  }
  return false;
}

std::pair<int64_t, int64_t> slot_sizes(const ModelShape& s, Slot slot) {
  const LatentShape& l = s.latent;
  switch (slot) {
    case Slot::q: return {s.hidden, s.q_width()};
    case Slot::q_a: return {s.hidden, l.q_rank};
    case Slot::q_b: return {l.q_rank, s.q_width()};
    case Slot::k:
    case Slot::v: return {s.hidden, s.kv_width()};
    case Slot::kv_a: return {s.hidden, l.kv_rank + l.rope};
    case Slot::kv_b: return {l.kv_rank, s.heads * (l.nope + l.value)};
    case Slot::o: return {s.o_width(), s.hidden};
    case Slot::router: return {s.hidden, s.experts};
    case Slot::gate:
    case Slot::up: return {s.hidden, s.expert_width};
    case Slot::down: return {s.expert_width, s.hidden};
    case Slot::shared_router: return {s.hidden, 1};
    case Slot::shared_gate:
    case Slot::shared_up: return {s.hidden, s.shared_width};
    case Slot::shared_down: return {s.shared_width, s.hidden};
    case Slot::dense_gate:
    case Slot::dense_up: return {s.hidden, s.dense_width};
    case Slot::dense_down: return {s.dense_width, s.hidden};
    case Slot::embed: return {s.vocab, s.hidden};
    case Slot::lm_head: return {s.hidden, s.vocab};
    case Slot::q_norm: return {1, s.qk_norm == QkNorm::per_head ? s.head_dim : s.q_width()};
    case Slot::k_norm: return {1, s.qk_norm == QkNorm::per_head ? s.head_dim : s.kv_width()};
    case Slot::q_a_norm: return {1, l.q_rank};
    case Slot::kv_a_norm: return {1, l.kv_rank};
    case Slot::q_bias: return {1, s.q_width()};
    case Slot::k_bias:
    case Slot::v_bias: return {1, s.kv_width()};
    case Slot::o_bias:
    case Slot::input_norm:
    case Slot::post_norm:
    case Slot::final_norm: return {1, s.hidden};
  }
  HELLORA_CHECK(false, "slot has no size");
}

}  // namespace hellora
