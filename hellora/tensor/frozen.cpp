#include "hellora/tensor/frozen.h"

#include "hellora/core/hash.h"
#include "hellora/core/rng.h"

namespace hellora {

FrozenWeights::FrozenWeights(int64_t bytes) {
  if (bytes <= 0) return;
  blocks_.emplace_back(static_cast<size_t>(bytes));
  used_.push_back(0);
}

kernels::Packed FrozenWeights::reserve(int64_t out, int64_t in, kernels::WeightType store) {
  kernels::Packed packed{nullptr, store, out, in};
  const auto bytes = static_cast<size_t>(kernels::round_up(packed.bytes(), 64));
  if (blocks_.empty() || used_.back() + bytes > blocks_.back().size()) {
    blocks_.emplace_back(std::max(bytes, size_t{1} << 22));
    used_.push_back(0);
  }
  packed.data = blocks_.back().data() + used_.back();
  used_.back() += bytes;
  return packed;
}

kernels::Packed FrozenWeights::add(const Tensor& w_OI, kernels::WeightType store) {
  const kernels::Packed packed = reserve(w_OI.size(0), w_OI.size(1), store);
  const bool known = w_OI.scalar_type() == at::kBFloat16 || w_OI.scalar_type() == at::kFloat || w_OI.scalar_type() == at::kDouble;
  const Tensor source = known ? w_OI : w_OI.to(at::kFloat);
  kernels::pack_matrix(plain_of(source), 1.0, packed, const_cast<void*>(packed.data));
  return packed;
}

int64_t FrozenWeights::bytes() const {
  size_t total = 0;
  for (const size_t one : used_) total += one;
  return static_cast<int64_t>(total);
}

uint64_t FrozenWeights::hash() const {
  constexpr size_t kPart = size_t{1} << 22;
  uint64_t state = 0;
  for (size_t b = 0; b < blocks_.size(); ++b) {
    const auto parts = static_cast<int64_t>((used_[b] + kPart - 1) / kPart);
    std::vector<uint64_t> hashes(static_cast<size_t>(parts));
#pragma omp parallel for schedule(dynamic)
    for (int64_t p = 0; p < parts; ++p) {
      const size_t begin = static_cast<size_t>(p) * kPart;
      hashes[static_cast<size_t>(p)] = hash_bytes({blocks_[b].data() + begin, std::min(kPart, used_[b] - begin)});
    }
    for (const uint64_t one : hashes) state = mix64(state, one);
  }
  return state;
}

Tensor dense(const kernels::Packed& w) {
  Tensor out = at::empty({w.n, w.k}, at::TensorOptions(at::kDouble));
  kernels::unpack_matrix(w, out.data_ptr<double>());
  return w.store == kernels::WeightType::f64 ? out : out.to(at::kFloat);
}

}  // namespace hellora
