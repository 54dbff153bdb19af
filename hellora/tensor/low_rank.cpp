#include "hellora/tensor/low_rank.h"

#include "hellora/core/error.h"

namespace hellora {

kernels::WeightType store_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kBFloat16: return kernels::WeightType::bf16;
    case at::kFloat: return kernels::WeightType::f32;
    case at::kDouble: return kernels::WeightType::f64;
    default: HELLORA_CHECK(false, "weights are bf16, fp32 or fp64");
  }
}

kernels::Plain plain_of(const Tensor& w) { return {w.const_data_ptr(), store_of(w.scalar_type()), w.stride(0), w.stride(1)}; }

Tensor LowRank::whole_B() const {
  Tensor b = gate_R.defined() ? B_OR * gate_R : B_OR;
  return out_O.defined() ? b * out_O.unsqueeze(1) : b;
}

kernels::Packed PassPacks::add(const Tensor& w, bool transposed, double scale, kernels::WeightType store) {
  const Tensor source = transposed ? w.t() : w;
  kernels::Packed packed{nullptr, store, source.size(0), source.size(1)};
  const auto bytes = static_cast<size_t>(packed.bytes());
  if (blocks_.empty() || used_ + bytes > blocks_.back().size()) {
    blocks_.emplace_back(std::max(bytes, size_t{1} << 23));
    used_ = 0;
  }
  std::byte* at = blocks_.back().data() + used_;
  kernels::pack_matrix(plain_of(source), scale, packed, at);
  packed.data = at;
  used_ += (bytes + 63) / 64 * 64;
  return packed;
}

}  // namespace hellora
