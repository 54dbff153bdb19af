#include "hellora/tensor/attention.h"

#include <cmath>

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

/// Rows of a document and the keys they look at. Without a mask the two are the same rows, and each sees those up to itself.
struct Piece {
  Stretch rows, keys;
  Tensor mask;  // (rows, keys): 0 or -inf
};

constexpr int64_t kWindowRows = 512;  // of a piece: few pieces, and little beyond the window

/// A document longer than its window is cut, so that the work grows with length × window.
std::vector<Piece> cut_pieces(const std::vector<int64_t>& flat, int64_t window, const at::TensorOptions& options) {
  std::vector<Piece> out;
  for (size_t i = 0; i < flat.size(); i += 2) {
    const Stretch whole{flat[i], flat[i + 1]};
    if (window == 0 || whole.length <= window) {
      out.push_back({whole, whole, {}});
      continue;
    }
    for (int64_t b = 0; b < whole.length; b += kWindowRows) {
      const int64_t rows = std::min(kWindowRows, whole.length - b), first = std::max<int64_t>(0, b - window + 1), keys = b + rows - first;
      const Tensor seen = at::ones({rows, keys}, at::TensorOptions(at::kBool)).tril(b - first).triu(b - first - window + 1);
      out.push_back(
          {{whole.start + b, rows}, {whole.start + first, keys}, at::zeros({rows, keys}, options).masked_fill_(~seen, -INFINITY)});
    }
  }
  return out;
}

class Attend : public torch::autograd::Function<Attend> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& q, const Tensor& k, const Tensor& v, std::vector<int64_t> documents,
                        double scale, int64_t window, at::ScalarType saved) {
    const int64_t heads = q.size(1);
    const bool grad = q.requires_grad() || k.requires_grad() || v.requires_grad();
    const Compute compute{kernels::Math::full, saved};
    Tensor out = at::empty_like(q, at::MemoryFormat::Contiguous);
    variable_list kept;
    if (grad) kept = {compute.keep(q), compute.keep(k), compute.keep(v), Tensor()};
    for (const Piece& piece : cut_pieces(documents, window, q.options())) {
      const auto [one, logsumexp] =
          at::_scaled_dot_product_flash_attention_for_cpu(heads_first(q, piece.rows, heads), heads_first(k, piece.keys, heads),
                                                          heads_first(v, piece.keys, heads), 0.0, is_causal(piece), mask_of(piece), scale);
      out.narrow(0, piece.rows.start, piece.rows.length).copy_(one.squeeze(0).transpose(0, 1));
      if (grad) kept.push_back(logsumexp);
    }
    Tensor flat = out.view({q.size(0), -1});
    if (grad) {
      kept[3] = compute.keep(flat);
      ctx->save_for_backward(std::move(kept));
    }
    ctx->saved_data["documents"] = std::move(documents);
    ctx->saved_data["heads"] = heads;
    ctx->saved_data["scale"] = scale;
    ctx->saved_data["window"] = window;
    return flat;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto kept = ctx->get_saved_variables();
    const int64_t heads = ctx->saved_data["heads"].toInt();
    const auto real = grads[0].scalar_type();
    const Tensor q = restore(kept[0], real), k = restore(kept[1], real), v = restore(kept[2], real);
    const Tensor out = restore(kept[3], real).view(q.sizes()), dout = grads[0].contiguous().view(q.sizes());
    const auto pieces = cut_pieces(ctx->saved_data["documents"].toIntVector(), ctx->saved_data["window"].toInt(), q.options());
    Tensor dq = at::empty_like(q), dk = at::zeros_like(k), dv = at::zeros_like(v);
    for (size_t i = 0; i < pieces.size(); ++i) {
      const Piece& piece = pieces[i];
      const auto rows = [&](const Tensor& x) { return heads_first(x, piece.rows, heads); };
      const auto keys = [&](const Tensor& x) { return heads_first(x, piece.keys, heads); };
      const auto [gq, gk, gv] =
          at::_scaled_dot_product_flash_attention_for_cpu_backward(rows(dout), rows(q), keys(k), keys(v), rows(out), kept[4 + i], 0.0,
                                                                   is_causal(piece), mask_of(piece), ctx->saved_data["scale"].toDouble());
      dq.narrow(0, piece.rows.start, piece.rows.length).copy_(rows_first(gq, heads));
      dk.narrow(0, piece.keys.start, piece.keys.length).add_(rows_first(gk, k.size(1)));  // pieces of a document share keys
      dv.narrow(0, piece.keys.start, piece.keys.length).add_(rows_first(gv, v.size(1)));
    }
    return {dq, dk, dv, Tensor(), Tensor(), Tensor(), Tensor()};
  }

 private:
  static bool is_causal(const Piece& piece) { return !piece.mask.defined(); }
  static std::optional<Tensor> mask_of(const Piece& piece) { return piece.mask.defined() ? std::optional(piece.mask) : std::nullopt; }
};

}  // namespace

Tensor attend_documents(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGW, std::span<const Stretch> documents,
                        const Compute& compute, const AttentionRule& rule) {
  std::vector<int64_t> flat;
  for (const Stretch& one : documents) flat.insert(flat.end(), {one.start, one.length});
  const int64_t width = q_TAC.size(2), values = v_TGW.size(2);
  const double scale = rule.scale > 0 ? rule.scale : 1 / std::sqrt(static_cast<double>(width));
  // The operation takes one width for all: narrower values are filled up with zeros.
  const Tensor v_TGC = values < width ? at::constant_pad_nd(v_TGW, {0, width - values}) : v_TGW;
  const Tensor joined = Attend::apply(q_TAC, k_TGC, v_TGC, std::move(flat), scale, rule.window, compute.saved);
  if (values == width) return joined;
  return joined.view({q_TAC.size(0), -1, width}).narrow(2, 0, values).reshape({q_TAC.size(0), -1});
}

}  // namespace hellora
