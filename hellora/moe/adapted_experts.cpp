#include "hellora/moe/adapted_experts.h"

#include "hellora/core/error.h"
#include "hellora/tensor/experts.h"

namespace hellora {
namespace {

/// What the operation takes; false where a part is general.
bool take_parts(const ExpertProjection& projection, int64_t hot, ExpertBank& bank) {
  bank.frozen.assign(projection.frozen.begin(), projection.frozen.end());
  for (size_t m = 0; projection.adapter != nullptr && m < static_cast<size_t>(hot); ++m) {
    Part part = projection.adapter->part(m);
    if (std::holds_alternative<General>(part)) return false;
    if (auto* low_rank = std::get_if<LowRank>(&part)) bank.low_rank.push_back(std::move(*low_rank));
    if (auto* own = std::get_if<OwnWeight>(&part)) bank.own.push_back(std::move(own->w));
  }
  HELLORA_CHECK(bank.low_rank.empty() || bank.own.empty(), "members of one projection have the same form");
  return true;
}

}  // namespace

Tensor adapted_experts(const Tensor& x_TD, const Tensor& weights_TK, ExpertBlock block, const StepContext& context,
                       const Compute& compute) {
  ExpertCall call;
  if (!take_parts(block.gate, block.hot, call.gate) || !take_parts(block.up, block.hot, call.up) ||
      !take_parts(block.down, block.hot, call.down)) {
    return composed_experts(x_TD, weights_TK, block, context, compute);
  }
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
