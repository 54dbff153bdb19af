#include "hellora/moe/adapted_experts.h"

namespace hellora {
namespace {

/// The rows of one expert.
struct Visit {
  Tensor source_N, token_N;  // place in weights_TK, row of x
  Tensor mask_N, expert_N;   // name the rows' dropout masks
};

Visit visit_of(const ExpertBlock& block, size_t ordinal) {
  const auto first = static_cast<size_t>(block.order.offsets[ordinal]),
             count = static_cast<size_t>(block.order.offsets[ordinal + 1]) - first;
  const auto slice = [&](const std::vector<int64_t>& all) {
    return at::tensor(at::IntArrayRef(all).slice(first, count), at::TensorOptions(at::kLong));
  };
  Visit visit{slice(block.order.source_N), slice(block.order.token_N), {}, {}};
  visit.mask_N = block.row_T.defined() ? block.row_T.index_select(0, visit.token_N) : visit.token_N;
  visit.expert_N = at::full_like(visit.token_N, block.expert_of[ordinal]);
  return visit;
}

}  // namespace

Tensor composed_experts(const Tensor& x_TD, const Tensor& weights_TK, const ExpertBlock& block, const StepContext& context,
                        const Compute& compute) {
  Tensor out_TD = at::zeros_like(x_TD);
  const Tensor weight_of = weights_TK.reshape({-1, 1});
  for (const int64_t at : block.sequence) {
    const auto ordinal = static_cast<size_t>(at);
    if (block.order.offsets[ordinal] == block.order.offsets[ordinal + 1]) continue;
    const Visit visit = visit_of(block, ordinal);
    const bool hot = at < block.hot;
    const auto map = [&](const ExpertProjection& one) { return AdaptedMap{one.frozen[ordinal], hot ? one.adapter : nullptr, ordinal}; };
    const auto dropped = [&](const Tensor& x, Slot name) {
      return hot ? adapter_input(x, context, block.layer, name, visit.mask_N, visit.expert_N) : Tensor();
    };
    const Tensor x_ND = x_TD.index_select(0, visit.token_N);
    const AdaptedMap first[] = {map(block.gate), map(block.up)};
    const std::vector<Tensor> gate_up = adapted_linear(x_ND, dropped(x_ND, block.gate_slot), first, compute);
    const Tensor h_NF = at::silu(gate_up[0]) * gate_up[1];
    const Tensor y_ND = adapted_linear(h_NF, dropped(h_NF, block.down_slot), map(block.down), compute);
    out_TD = out_TD.index_add(0, visit.token_N, y_ND * weight_of.index_select(0, visit.source_N));
  }
  return out_TD;
}

}  // namespace hellora
