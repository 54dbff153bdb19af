#include "hellora/tensor/ordered_sum.h"

#include "hellora/core/error.h"
#include "hellora/kernels/ordered_sum.h"

namespace hellora {
namespace {

template <class Real>
std::span<const Real> elements(const Tensor& values) {
  return {values.const_data_ptr<Real>(), static_cast<size_t>(values.numel())};
}

}  // namespace

double ordered_sum(const Tensor& values) {
  HELLORA_CHECK(values.is_contiguous(), "ordered sums read contiguous memory");
  if (values.scalar_type() == at::kDouble) return kernels::ordered_sum(elements<double>(values));
  return kernels::ordered_sum(elements<float>(values));
}

double ordered_square_sum(const Tensor& values) {
  HELLORA_CHECK(values.is_contiguous(), "ordered sums read contiguous memory");
  if (values.scalar_type() == at::kDouble) return kernels::ordered_square_sum(elements<double>(values));
  return kernels::ordered_square_sum(elements<float>(values));
}

}  // namespace hellora
