// Module paths that nearly every family spells alike, to be joined with a family's own.
#pragma once

#include <algorithm>
#include <array>

#include "hellora/model/arch.h"

namespace hellora {

inline constexpr auto kDecoderPaths = std::to_array<SlotPath>({
    {Slot::embed, "model.embed_tokens"},
    {Slot::final_norm, "model.norm"},
    {Slot::lm_head, "lm_head"},
    {Slot::input_norm, "model.layers.{L}.input_layernorm"},
    {Slot::post_norm, "model.layers.{L}.post_attention_layernorm"},
    {Slot::o, "model.layers.{L}.self_attn.o_proj"},
});

inline constexpr auto kQkvPaths = std::to_array<SlotPath>({
    {Slot::q, "model.layers.{L}.self_attn.q_proj"},
    {Slot::k, "model.layers.{L}.self_attn.k_proj"},
    {Slot::v, "model.layers.{L}.self_attn.v_proj"},
});

inline constexpr auto kQkNormPaths = std::to_array<SlotPath>({
    {Slot::q_norm, "model.layers.{L}.self_attn.q_norm"},
    {Slot::k_norm, "model.layers.{L}.self_attn.k_norm"},
});

/// Biases lie beside the weights: the same modules.
inline constexpr auto kQkvBiasPaths = std::to_array<SlotPath>({
    {Slot::q_bias, "model.layers.{L}.self_attn.q_proj"},
    {Slot::k_bias, "model.layers.{L}.self_attn.k_proj"},
    {Slot::v_bias, "model.layers.{L}.self_attn.v_proj"},
});

inline constexpr auto kExpertPaths = std::to_array<SlotPath>({
    {Slot::router, "model.layers.{L}.mlp.gate"},
    {Slot::gate, "model.layers.{L}.mlp.experts.{E}.gate_proj"},
    {Slot::up, "model.layers.{L}.mlp.experts.{E}.up_proj"},
    {Slot::down, "model.layers.{L}.mlp.experts.{E}.down_proj"},
});

inline constexpr auto kDensePaths = std::to_array<SlotPath>({
    {Slot::dense_gate, "model.layers.{L}.mlp.gate_proj"},
    {Slot::dense_up, "model.layers.{L}.mlp.up_proj"},
    {Slot::dense_down, "model.layers.{L}.mlp.down_proj"},
});

inline constexpr std::string_view kFusedGateUp = "model.layers.{L}.mlp.experts.gate_up_proj";
inline constexpr std::string_view kFusedDown = "model.layers.{L}.mlp.experts.down_proj";

template <size_t... Sizes>
constexpr auto join_paths(const std::array<SlotPath, Sizes>&... parts) {
  std::array<SlotPath, (Sizes + ...)> all{};
  auto next = all.begin();
  ((next = std::copy(parts.begin(), parts.end(), next)), ...);
  return all;
}

}  // namespace hellora
