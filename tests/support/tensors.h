// Tensors of tests: seeded random values, closeness relative to the largest value, equal bytes for any thread count.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "hellora/core/rng.h"
#include "hellora/tensor/torch.h"

namespace hellora::testing {

// As the program does before its first product; without it MKL may answer other bytes for other thread counts.
inline const int kStrictProducts = ::setenv("MKL_CBWR", "AVX2,STRICT", 0);
// Tiny tensors gain nothing from threads and lose much to waiting on a busy machine; thread counts have tests of their own.
inline const bool kOneThread = (at::set_num_threads(1), true);

/// Uniform in [-1, 1), a function of seed and position alone.
inline Tensor random_tensor(at::IntArrayRef shape, uint64_t seed, at::ScalarType dtype = at::kDouble) {
  Tensor values = at::empty(shape, at::TensorOptions(at::kDouble));
  double* data = values.data_ptr<double>();
  const RngKey key = make_key(seed, hash_text("test tensor"));
  for (int64_t i = 0; i < values.numel(); ++i) data[i] = 2 * unit_double(key, static_cast<uint64_t>(i)) - 1;
  return values.to(dtype);
}

/// A random leaf that asks for a gradient.
inline Tensor random_leaf(at::IntArrayRef shape, uint64_t seed, at::ScalarType dtype = at::kDouble) {
  return random_tensor(shape, seed, dtype).requires_grad_(true);
}

/// Uniform in [low, high].
inline int64_t random_int(int64_t low, int64_t high, uint64_t seed, uint64_t position) {
  return low + static_cast<int64_t>(random_u64(make_key(seed, hash_text("test int")), position) % static_cast<uint64_t>(high - low + 1));
}

/// Largest |got - want| at most `bound` times the largest |want| (or `floor`, where that is larger: a tensor that is zero
/// but for rounding among others of that size); a NaN on either side is a failure.
inline ::testing::AssertionResult close_to(const Tensor& got, const Tensor& want, double bound, double floor = 0) {
  if (got.sizes() != want.sizes()) return ::testing::AssertionFailure() << "shape " << got.sizes() << ", expected " << want.sizes();
  if (got.scalar_type() != want.scalar_type())
    return ::testing::AssertionFailure() << got.scalar_type() << ", expected " << want.scalar_type();
  if (want.numel() == 0) return ::testing::AssertionSuccess();
  const double largest = std::max(floor, want.detach().abs().max().item<double>());
  const double error = (got.detach() - want.detach()).abs().max().item<double>();
  if (error <= bound * largest) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "off by " << error / largest << " of the largest value " << largest << ", allowed " << bound;
}

/// The largest absolute value of all tensors that are defined.
inline double largest_of(const std::vector<Tensor>& tensors) {
  double largest = 0;
  for (const Tensor& one : tensors) {
    if (one.defined() && one.numel() > 0) largest = std::max(largest, one.detach().abs().max().item<double>());
  }
  return largest;
}

/// Same dtype, shape and bytes.
inline ::testing::AssertionResult same_bytes(const Tensor& got, const Tensor& want) {
  if (got.sizes() != want.sizes()) return ::testing::AssertionFailure() << "shape " << got.sizes() << ", expected " << want.sizes();
  if (got.scalar_type() != want.scalar_type())
    return ::testing::AssertionFailure() << got.scalar_type() << ", expected " << want.scalar_type();
  const Tensor a = got.detach().contiguous(), b = want.detach().contiguous();
  if (a.nbytes() == 0 || std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << (a != b).sum().item<int64_t>() << " of " << a.numel() << " values differ";
}

/// `make` returns tensors; they must be the same bytes on 1, 2 and 3 threads.
template <class Make>
void expect_same_for_any_threads(const Make& make) {
  const std::vector<Tensor> want = make();  // on one thread
  for (const int threads : {2, 3}) {
    at::set_num_threads(threads);
    const std::vector<Tensor> got = make();
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(same_bytes(got[i], want[i])) << "tensor " << i << " on " << threads << " threads";
  }
  at::set_num_threads(1);
}

/// d(sum(y * weights))/d(leaves), for comparing two ways to compute y.
inline std::vector<Tensor> gradients(const Tensor& y, const Tensor& weights, const std::vector<Tensor>& leaves) {
  return torch::autograd::grad({y}, leaves, {weights}, true, false, true);
}

}  // namespace hellora::testing
