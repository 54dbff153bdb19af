#include "hellora/adapters/method.h"

#include <algorithm>

#include "hellora/core/error.h"

namespace hellora {
namespace {

at::ScalarType wide_type(const Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

Tensor with_low_rank(const LowRank& part, bool embedding, const Tensor& base_rows, int64_t first) {
  const int64_t rows = base_rows.size(0), all = embedding ? part.A_RI.size(1) : part.B_OR.size(0);
  // A product with few rows takes another path than the whole one and rounds otherwise: so many are computed at least.
  constexpr int64_t kLeastRows = 256;
  const int64_t count = std::max(rows, std::min(kLeastRows, all)), from = std::min(first, all - count);
  const Tensor b_OR = part.whole_B();
  const Tensor change =
      embedding ? at::matmul(b_OR, part.A_RI.narrow(1, from, count)).t() : at::matmul(b_OR.narrow(0, from, count), part.A_RI);
  return base_rows.to(wide_type(base_rows)) + change.narrow(0, first - from, rows).to(wide_type(base_rows)) * part.scale;
}

}  // namespace

int64_t ParamSpec::count() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

Tensor Adapter::apply(const BaseCall&, size_t) const { HELLORA_CHECK(false, "this method has no general form"); }

Tensor Adapter::adapted_rows(const Tensor& base_rows, int64_t first, size_t m) const {
  const at::NoGradGuard no_grad;
  const Part what = part(m);
  if (const auto* low_rank = std::get_if<LowRank>(&what)) return with_low_rank(*low_rank, embedding_, base_rows, first);
  const auto* own = std::get_if<OwnWeight>(&what);
  HELLORA_CHECK(own != nullptr, "a method with a scaled or general part folds its rows itself");
  return own->w.narrow(0, first, base_rows.size(0)).to(wide_type(base_rows)).clone();
}

bool is_low_rank(const Part& part) { return std::holds_alternative<LowRank>(part); }

LowRank low_rank_part(const Adapter& adapter, size_t m) {
  Part part = adapter.part(m);
  HELLORA_CHECK(is_low_rank(part), "a low-rank part is expected here");
  return std::get<LowRank>(std::move(part));
}

}  // namespace hellora
