#include "tests/unit/moe/cases.h"

#include "hellora/tensor/dropout.h"
#include "tests/support/plain_adapter.h"

namespace hellora::testing {
namespace {

std::vector<Site> block_sites(const BlockSizes& s) {
  std::vector<Site> sites;
  for (const Slot slot : s.adapted) {
    Site site{0, slot, slot == Slot::down ? s.expert_width : s.width, slot == Slot::down ? s.width : s.expert_width, {}};
    const std::string name(target_of(slot));
    if (slot == Slot::router) {
      site.out = s.experts;
      site.members = {{-1, s.rank, 0, name}};
    } else {
      for (const int64_t expert : s.hot) site.members.push_back({expert, s.rank, 0, std::to_string(expert) + name});
    }
    if (!site.members.empty()) sites.push_back(std::move(site));
  }
  return sites;
}

Tensor one_number(int64_t value) { return at::full({1}, value, at::TensorOptions(at::kLong)); }

/// Row (1, in) through expert e's projection; the adapter reads the row after dropout.
Tensor plain_projection(const Block& b, Slot slot, Slot input, const Tensor& bank, const Tensor& row, int64_t token, int64_t e,
                        const StepContext& context) {
  const Tensor base = at::matmul(row, bank.select(0, e).t());
  const Adapter* adapter = slot == Slot::gate ? b.adapters.gate : slot == Slot::up ? b.adapters.up : b.adapters.down;
  const int64_t m = b.adapters.ordinal_of[static_cast<size_t>(e)];
  if (adapter == nullptr || m >= b.adapters.hot) return base;
  const Tensor low = context.drops() ? dropout(row, context.dropout, context.key(0, input), one_number(token), one_number(e)) : row;
  return plain_apply(*adapter, static_cast<size_t>(m), low, base);
}

}  // namespace

std::vector<Tensor> Block::leaves() const {
  std::vector<Tensor> out{x_TD};
  for (size_t i = 0; i < set->specs().size(); ++i) out.push_back(set->param(i));
  return out;
}

void Block::pack() {
  arena = FrozenWeights();
  weights = {arena.add(router_ED, kernels::WeightType::f64), {}, {}, {}};
  for (int64_t e = 0; e < sizes.experts; ++e) {
    weights.gate.push_back(arena.add(gate_EFD[e], kernels::WeightType::f64));
    weights.up.push_back(arena.add(up_EFD[e], kernels::WeightType::f64));
    weights.down.push_back(arena.add(down_EDF[e], kernels::WeightType::f64));
  }
}

Block make_block(const BlockSizes& s, uint64_t seed) {
  Block b;
  b.sizes = s;
  b.rule = {s.top_k, s.renormalize};
  b.x_TD = random_leaf({s.tokens, s.width}, seed + 1);
  b.router_ED = random_tensor({s.experts, s.width}, seed + 2);
  b.gate_EFD = random_tensor({s.experts, s.expert_width, s.width}, seed + 3);
  b.up_EFD = random_tensor({s.experts, s.expert_width, s.width}, seed + 4);
  b.down_EDF = random_tensor({s.experts, s.width, s.expert_width}, seed + 5);
  b.pack();
  AdapterConfig config;
  config.method = s.method;
  config.alpha = 2.5;
  const BaseWeight base = [](const std::string&) { return at::zeros({1}, at::TensorOptions(at::kDouble)); };
  b.set = std::make_unique<AdapterSet>(block_sites(s), config, seed, base, at::kDouble);
  for (size_t i = 0; i < b.set->specs().size(); ++i) b.set->param(i).detach().copy_(random_tensor(b.set->specs()[i].shape, seed + 10 + i));
  b.adapters = order_experts(b.set->hot_experts(0), s.experts);
  b.adapters.router = b.set->find(0, Slot::router);
  b.adapters.gate = b.set->find(0, Slot::gate);
  b.adapters.up = b.set->find(0, Slot::up);
  b.adapters.down = b.set->find(0, Slot::down);
  return b;
}

PlainRouting plain_routing(const Block& b, const StepContext& context) {
  Tensor logits_TE = at::matmul(b.x_TD, b.router_ED.t());
  if (b.adapters.router != nullptr) {
    const Tensor low = context.drops() ? dropout(b.x_TD, context.dropout, context.key(0, Slot::router), {}, {}) : b.x_TD;
    logits_TE = plain_apply(*b.adapters.router, 0, low, logits_TE);
  }
  const Tensor probs_TE = at::softmax(logits_TE, 1);
  const Tensor ids_TK = std::get<1>(at::sort(probs_TE, true, 1, true)).narrow(1, 0, b.rule.top_k);
  Tensor weights_TK = probs_TE.gather(1, ids_TK);
  if (b.rule.renormalize) weights_TK = weights_TK / weights_TK.sum(1, true);
  return {ids_TK, weights_TK};
}

Tensor plain_moe(const Block& b, const StepContext& context) {
  const PlainRouting routing = plain_routing(b, context);
  std::vector<Tensor> rows;
  for (int64_t t = 0; t < b.x_TD.size(0); ++t) {
    const Tensor row = b.x_TD.narrow(0, t, 1);
    Tensor sum = at::zeros_like(row);
    for (int64_t slot = 0; slot < b.rule.top_k; ++slot) {
      const auto e = routing.ids_TK[t][slot].item<int64_t>();
      const Tensor gate = plain_projection(b, Slot::gate, Slot::gate, b.gate_EFD, row, t, e, context);
      const Tensor up = plain_projection(b, Slot::up, Slot::gate, b.up_EFD, row, t, e, context);
      const Tensor y = plain_projection(b, Slot::down, Slot::down, b.down_EDF, at::silu(gate) * up, t, e, context);
      sum = sum + y * routing.weights_TK[t][slot];
    }
    rows.push_back(sum);
  }
  return at::cat(rows);
}

}  // namespace hellora::testing
