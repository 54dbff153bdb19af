#include "hellora/moe/adapted_experts.h"

#include <array>

#include "hellora/tensor/experts.h"
#include "hellora/tensor/swiglu.h"
#include "hellora/tensor/weighted_sum.h"

namespace hellora {
namespace {

AdaptedMap map_of(const ExpertProjection& one, int64_t hot) {
  return {{one.frozen.begin(), one.frozen.end()}, one.adapter, static_cast<size_t>(hot)};
}

/// Tokens and expert of the rows of adapted ordinals: they name the rows' dropout masks.
struct HotRows {
  Tensor token_N, mask_N, expert_N;
};

HotRows hot_rows(const ExpertBlock& block) {
  const auto rows = static_cast<size_t>(block.order.offsets[static_cast<size_t>(block.hot)]);
  std::vector<int64_t> expert_N;
  for (size_t g = 0; g < static_cast<size_t>(block.hot); ++g)
    expert_N.resize(static_cast<size_t>(block.order.offsets[g + 1]), block.expert_of[g]);
  HotRows hot{at::tensor(at::IntArrayRef(block.order.token_N).slice(0, rows)), {}, at::tensor(expert_N)};
  hot.mask_N = block.row_T.defined() ? block.row_T.index_select(0, hot.token_N) : hot.token_N;
  return hot;
}

/// gate and up → SwiGLU → down → weighted sum, each an operation of its own.
Tensor composed(const Tensor& x_TD, const Tensor& weights_TK, const ExpertBlock& block, std::span<const AdaptedMap> maps,
                const StepContext& context, const Compute& compute) {
  const bool drops = context.drops() && block.hot > 0;
  const HotRows hot = drops ? hot_rows(block) : HotRows{};
  const auto dropped = [&](const Tensor& x_NI, Slot name) {
    return adapter_input(x_NI, context, block.layer, name, hot.mask_N, hot.expert_N);
  };
  const Tensor x_low_ND = drops ? dropped(x_TD.index_select(0, hot.token_N), block.gate_slot) : Tensor();
  const RowGroups gathered{block.order.offsets, block.order.token_N, block.sequence}, sorted{block.order.offsets, {}, {}};
  const std::vector<Tensor> gate_up = adapted_groups(x_TD, x_low_ND, gathered, maps.first(2), compute);
  const Tensor h_NF = swiglu(gate_up[0], gate_up[1], compute);
  const Tensor h_low_NF = drops ? dropped(h_NF.narrow(0, 0, hot.token_N.size(0)), block.down_slot) : Tensor();
  const Tensor y_ND = adapted_groups(h_NF, h_low_NF, sorted, maps.subspan(2), compute)[0];
  return weighted_sum(y_ND, weights_TK, block.order, block.sequence, compute);
}

}  // namespace

Tensor adapted_experts(const Tensor& x_TD, const Tensor& weights_TK, ExpertBlock block, const StepContext& context,
                       const Compute& compute) {
  const std::array<AdaptedMap, 3> maps = {map_of(block.gate, block.hot), map_of(block.up, block.hot), map_of(block.down, block.hot)};
  for (const AdaptedMap& map : maps) {
    if (map.is<Scaled>() || map.is<General>()) return composed(x_TD, weights_TK, block, maps, context, compute);
  }
  ExpertCall call;
  call.gate = maps[0].grouped();
  call.up = maps[1].grouped();
  call.down = maps[2].grouped();
  const Tensor& rows = block.row_T;
  if (rows.defined()) call.mask_token.assign(rows.const_data_ptr<int64_t>(), rows.const_data_ptr<int64_t>() + rows.numel());
  if (context.drops())
    call.dropout = {context.dropout, context.key(block.layer, block.gate_slot), context.key(block.layer, block.down_slot)};
  call.order = std::move(block.order);
  call.sequence = std::move(block.sequence);
  call.expert_of = std::move(block.expert_of);
  call.compute = compute;
  return expert_mlp(x_TD, weights_TK, std::move(call));
}

}  // namespace hellora
