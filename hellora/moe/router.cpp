#include "hellora/moe/router.h"

#include "hellora/kernels/route.h"

namespace hellora {
namespace {

template <class Real>
void choose(const Tensor& probs_TE, const RouterRule& rule, Tensor& ids_TK) {
  const int64_t rows = probs_TE.size(0), experts = probs_TE.size(1);
  const auto top = [&](const Real* from, int64_t width, int64_t k, int64_t* ids) { kernels::top_k(from, rows, width, k, ids); };
  const Real* prob = probs_TE.const_data_ptr<Real>();
  if (rule.groups <= 1) return top(prob, experts, rule.top_k, ids_TK.data_ptr<int64_t>());
  // Experts outside the best groups count as zero, as in the authors' code.
  const int64_t g = rule.groups, size = experts / g;
  const Tensor best_TG = std::get<0>(probs_TE.view({rows, g, size}).max(-1)).contiguous();
  std::vector<int64_t> kept(static_cast<size_t>(rows * rule.top_groups));
  top(best_TG.const_data_ptr<Real>(), g, rule.top_groups, kept.data());
  Tensor limited_TE = at::zeros_like(probs_TE);
  Real* limited = limited_TE.data_ptr<Real>();
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t j = 0; j < rule.top_groups; ++j) {
      const int64_t at = t * experts + kept[static_cast<size_t>(t * rule.top_groups + j)] * size;
      std::copy(prob + at, prob + at + size, limited + at);
    }
  }
  top(limited, experts, rule.top_k, ids_TK.data_ptr<int64_t>());
}

}  // namespace

Routing route(const Tensor& logits_TE, const RouterRule& rule) {
  const Tensor probs_TE = at::softmax(logits_TE, -1);
  const Tensor plain_TE = probs_TE.detach().contiguous();
  Tensor ids_TK = at::empty({plain_TE.size(0), rule.top_k}, at::TensorOptions(at::kLong));
  plain_TE.scalar_type() == at::kDouble ? choose<double>(plain_TE, rule, ids_TK) : choose<float>(plain_TE, rule, ids_TK);
  Tensor weights_TK = probs_TE.gather(1, ids_TK);
  if (rule.renormalize) weights_TK = weights_TK / weights_TK.sum(-1, true);
  if (rule.scale != 1) weights_TK = weights_TK * rule.scale;
  return {logits_TE, ids_TK, weights_TK};
}

}  // namespace hellora
