// What DeepSeekMoE (Dai et al. 2024, arXiv 2401.06066) and DeepSeek-V2 share: the first layers dense, shared experts as one MLP.
#pragma once

#include "hellora/model/arch/paths.h"
#include "hellora/model/config_reader.h"

namespace hellora {

inline constexpr auto kSharedExpertsPaths = std::to_array<SlotPath>({
    {Slot::shared_gate, "model.layers.{L}.mlp.shared_experts.gate_proj"},
    {Slot::shared_up, "model.layers.{L}.mlp.shared_experts.up_proj"},
    {Slot::shared_down, "model.layers.{L}.mlp.shared_experts.down_proj"},
});

/// Fills everything of the feed-forward part; FormatError for a scoring function or an order of layers that is not known.
void read_deepseek_ffn(JsonObject& config, ModelShape& shape);
void write_deepseek_ffn(const ModelShape& shape, Json& config);

}  // namespace hellora
