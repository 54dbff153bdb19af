// The plain, obvious MoE block: loops over tokens and chosen experts, nothing sorted, nothing grouped.
// It is the oracle for every faster path and stays in the tree for good.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace hellora::kernels {

/// One expert's weights (row-major) and its optional low-rank parts; a null A means "not adapted".
template <class Real>
struct ReferenceExpert {
  const Real *gate_FD, *up_FD, *down_DF;
  const Real *gate_A = nullptr, *gate_B = nullptr;  // (R, D), (F, R)
  const Real *up_A = nullptr, *up_B = nullptr;      // (R, D), (F, R)
  const Real *down_A = nullptr, *down_B = nullptr;  // (R, F), (D, R)
  int64_t rank = 0;
  Real scale = 0;
};

/// y (out) = W x + scale * B (A x)
template <class Real>
void reference_linear(const Real* w_OI, const Real* a_RI, const Real* b_OR, int64_t rank, Real scale, const Real* x_I, int64_t in,
                      int64_t out, Real* y_O) {
  std::vector<Real> u_R(static_cast<size_t>(rank), Real{0});
  for (int64_t r = 0; a_RI != nullptr && r < rank; ++r) {
    for (int64_t i = 0; i < in; ++i) u_R[static_cast<size_t>(r)] += a_RI[r * in + i] * x_I[i];
  }
  for (int64_t o = 0; o < out; ++o) {
    Real sum = 0;
    for (int64_t i = 0; i < in; ++i) sum += w_OI[o * in + i] * x_I[i];
    for (int64_t r = 0; a_RI != nullptr && r < rank; ++r) sum += scale * b_OR[o * rank + r] * u_R[static_cast<size_t>(r)];
    y_O[o] = sum;
  }
}

/// out_TD = sum over the k chosen experts of weight * down(silu(gate x) * up x).
template <class Real>
void reference_moe(const std::vector<ReferenceExpert<Real>>& experts, const Real* x_TD, const int64_t* ids_TK, const Real* weight_TK,
                   int64_t tokens, int64_t k, int64_t width, int64_t expert_width, Real* out_TD) {
  std::vector<Real> gate_F(static_cast<size_t>(expert_width)), up_F(gate_F), y_D(static_cast<size_t>(width));
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t d = 0; d < width; ++d) out_TD[t * width + d] = 0;
    for (int64_t slot = 0; slot < k; ++slot) {
      const ReferenceExpert<Real>& e = experts[static_cast<size_t>(ids_TK[t * k + slot])];
      reference_linear(e.gate_FD, e.gate_A, e.gate_B, e.rank, e.scale, x_TD + t * width, width, expert_width, gate_F.data());
      reference_linear(e.up_FD, e.up_A, e.up_B, e.rank, e.scale, x_TD + t * width, width, expert_width, up_F.data());
      for (size_t f = 0; f < gate_F.size(); ++f) gate_F[f] = gate_F[f] / (Real{1} + std::exp(-gate_F[f])) * up_F[f];
      reference_linear(e.down_DF, e.down_A, e.down_B, e.rank, e.scale, gate_F.data(), expert_width, width, y_D.data());
      for (int64_t d = 0; d < width; ++d) out_TD[t * width + d] += weight_TK[t * k + slot] * y_D[static_cast<size_t>(d)];
    }
  }
}

}  // namespace hellora::kernels
