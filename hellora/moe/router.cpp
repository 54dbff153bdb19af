#include "hellora/moe/router.h"

#include "hellora/kernels/route.h"

namespace hellora {

Routing route(const Tensor& logits_TE, const RouterRule& rule) {
  const Tensor probs_TE = at::softmax(logits_TE, -1);
  const Tensor plain_TE = probs_TE.detach().contiguous();
  Tensor ids_TK = at::empty({plain_TE.size(0), rule.top_k}, at::TensorOptions(at::kLong));
  if (plain_TE.scalar_type() == at::kDouble) {
    kernels::top_k(plain_TE.const_data_ptr<double>(), plain_TE.size(0), plain_TE.size(1), rule.top_k, ids_TK.data_ptr<int64_t>());
  } else {
    kernels::top_k(plain_TE.const_data_ptr<float>(), plain_TE.size(0), plain_TE.size(1), rule.top_k, ids_TK.data_ptr<int64_t>());
  }
  Tensor weights_TK = probs_TE.gather(1, ids_TK);
  if (rule.renormalize) weights_TK = weights_TK / weights_TK.sum(-1, true);
  return {logits_TE, ids_TK, weights_TK};
}

}  // namespace hellora
