#include "hellora/tensor/attention.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// (1, heads, length, C) of one document; key heads are repeated to the query's.
Tensor heads_first(const Tensor& x_TAC, const Stretch& rows, int64_t heads) {
  const Tensor part = x_TAC.narrow(0, rows.start, rows.length).transpose(0, 1);
  const int64_t own = part.size(0);
  const Tensor all = own == heads ? part : part.unsqueeze(1).expand({own, heads / own, -1, -1}).reshape({heads, rows.length, -1});
  return all.unsqueeze(0);
}

/// The gradient of heads_first: back to (length, own heads, C), repeated heads added up in order.
Tensor rows_first(const Tensor& dx_1AHC, int64_t own) {
  Tensor dx = dx_1AHC.squeeze(0);
  const int64_t repeat = dx.size(0) / own;
  if (repeat > 1) dx = dx.view({own, repeat, dx.size(1), dx.size(2)}).sum(1);
  return dx.transpose(0, 1);
}

std::vector<Stretch> stretches(const std::vector<int64_t>& flat) {
  std::vector<Stretch> out;
  for (size_t i = 0; i < flat.size(); i += 2) out.push_back({flat[i], flat[i + 1]});
  return out;
}

class Attend : public torch::autograd::Function<Attend> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& q, const Tensor& k, const Tensor& v, std::vector<int64_t> documents,
                        at::ScalarType saved) {
    const int64_t heads = q.size(1);
    const bool grad = q.requires_grad() || k.requires_grad() || v.requires_grad();
    const Compute compute{kernels::Math::full, saved};
    Tensor out = at::empty_like(q, at::MemoryFormat::Contiguous);
    variable_list kept;
    if (grad) kept = {compute.keep(q), compute.keep(k), compute.keep(v), Tensor()};
    for (const Stretch& rows : stretches(documents)) {
      const auto [one, logsumexp] = at::_scaled_dot_product_flash_attention_for_cpu(
          heads_first(q, rows, heads), heads_first(k, rows, heads), heads_first(v, rows, heads), 0.0, true);
      out.narrow(0, rows.start, rows.length).copy_(one.squeeze(0).transpose(0, 1));
      if (grad) kept.push_back(logsumexp);
    }
    Tensor flat = out.view({q.size(0), -1});
    if (grad) {
      kept[3] = compute.keep(flat);
      ctx->save_for_backward(std::move(kept));
    }
    ctx->saved_data["documents"] = std::move(documents);
    ctx->saved_data["heads"] = heads;
    return flat;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto kept = ctx->get_saved_variables();
    const auto documents = stretches(ctx->saved_data["documents"].toIntVector());
    const int64_t heads = ctx->saved_data["heads"].toInt();
    const auto real = grads[0].scalar_type();
    const Tensor q = restore(kept[0], real), k = restore(kept[1], real), v = restore(kept[2], real);
    const Tensor out = restore(kept[3], real).view(q.sizes()), dout = grads[0].contiguous().view(q.sizes());
    Tensor dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
    for (size_t i = 0; i < documents.size(); ++i) {
      const Stretch& rows = documents[i];
      const auto part = [&](const Tensor& x) { return heads_first(x, rows, heads); };
      const auto [gq, gk, gv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(part(dout), part(q), part(k), part(v), part(out),
                                                                                         kept[4 + i], 0.0, true);
      dq.narrow(0, rows.start, rows.length).copy_(rows_first(gq, heads));
      dk.narrow(0, rows.start, rows.length).copy_(rows_first(gk, k.size(1)));
      dv.narrow(0, rows.start, rows.length).copy_(rows_first(gv, v.size(1)));
    }
    return {dq, dk, dv, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor attend_documents(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGC, std::span<const Stretch> documents,
                        const Compute& compute) {
  std::vector<int64_t> flat;
  for (const Stretch& one : documents) flat.insert(flat.end(), {one.start, one.length});
  return Attend::apply(q_TAC, k_TGC, v_TGC, std::move(flat), compute.saved);
}

}  // namespace hellora
