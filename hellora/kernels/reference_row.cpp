// The reference row: obvious loops, one element after the other, for fp32 and fp64.
#include <algorithm>
#include <cmath>

#include "hellora/kernels/bf16.h"
#include "hellora/kernels/reference_tile.h"
#include "hellora/kernels/row.h"

namespace hellora::kernels {
namespace {

/// Element (column k, row n) of a panel.
template <class Real>
Real panel_value(const void* panel, WeightType store, int64_t k, int64_t n) {
  switch (store) {
    case WeightType::bf16: return widen_bf16(static_cast<const uint16_t*>(panel)[(k / 2 * kPanel + n) * 2 + k % 2]);
    case WeightType::f32: return static_cast<Real>(static_cast<const float*>(panel)[k * kPanel + n]);
    case WeightType::f64: return static_cast<Real>(static_cast<const double*>(panel)[k * kPanel + n]);
  }
  return 0;
}

template <class Real>
Real row_value(Math math, const Segment& s, int64_t k, int row) {
  if (math == Math::bf16) return widen_bf16(static_cast<const uint16_t*>(s.a)[(k / kPanel * s.a_step + row) * kPanel + k % kPanel]);
  return static_cast<const Real*>(s.a)[k * s.a_step + row];
}

template <class Real>
void tile(Math math, int rows, const Segment* segments, int count, Real* c, int64_t ldc, bool add) {
  for (int row = 0; row < rows; ++row) {
    for (int64_t n = 0; n < kPanel; ++n) {
      Real sum = add ? c[row * ldc + n] : Real{0};
      for (int i = 0; i < count; ++i) {
        const Segment& s = segments[i];
        for (int64_t k = 0; k < s.k; ++k) sum += row_value<Real>(math, s, k, row) * panel_value<Real>(s.b, s.store, k, n);
      }
      c[row * ldc + n] = sum;
    }
  }
}

template <class Real>
void pack(Math math, int rows, const Real* const* source, int64_t k, int64_t padded, void* out) {
  for (int64_t i = 0; i < padded; ++i) {
    for (int row = 0; row < rows; ++row) {
      const Real value = i < k ? source[row][i] : Real{0};
      if (math == Math::bf16) {
        static_cast<uint16_t*>(out)[(i / kPanel * rows + row) * kPanel + i % kPanel] = round_bf16(static_cast<float>(value));
      } else {
        static_cast<Real*>(out)[i * rows + row] = value;
      }
    }
  }
}

template <class Real>
void panel(Math math, int rows, const Real* const* source, int64_t k, int64_t padded, void* out) {
  for (int64_t i = 0; i < padded; ++i) {
    for (int row = 0; row < kPanel; ++row) {
      const Real value = i < k && row < rows ? source[row][i] : Real{0};
      if (math == Math::bf16) {
        static_cast<uint16_t*>(out)[(i / 2 * kPanel + row) * 2 + i % 2] = round_bf16(static_cast<float>(value));
      } else {
        static_cast<Real*>(out)[i * kPanel + row] = value;
      }
    }
  }
}

template <class Real>
void transpose(const Packed& w, int64_t column, int64_t first, int64_t count, void* out) {
  for (int64_t p = 0; p < count; ++p) {
    for (int64_t n = 0; n < kPanel; ++n) {
      for (int64_t k = 0; k < kPanel; ++k) {
        const int64_t i = p * kPanel + n;  // position along the new panel's columns
        const void* panel = w.panel(first + p);
        if (w.store == WeightType::bf16) {
          static_cast<uint16_t*>(out)[(i / 2 * kPanel + k) * 2 + i % 2] =
              static_cast<const uint16_t*>(panel)[((column + k) / 2 * kPanel + n) * 2 + (column + k) % 2];
        } else {
          static_cast<Real*>(out)[i * kPanel + k] = static_cast<const Real*>(panel)[(column + k) * kPanel + n];
        }
      }
    }
  }
}

template <class Real>
Real sigmoid(Real x) {
  return Real{1} / (Real{1} + std::exp(-x));
}

template <class Real>
void swiglu(const Real* gate, const Real* up, int64_t n, Real* h) {
  for (int64_t i = 0; i < n; ++i) h[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

template <class Real>
Real swiglu_backward(const Real* gate, const Real* up, const Real* dh_in, Real weight, int64_t n, Real* dgate, Real* dup, Real* h) {
  Real dot = 0;
  for (int64_t i = 0; i < n; ++i) {
    const Real g = gate[i], u = up[i], d = dh_in[i], s = sigmoid(g);
    h[i] = g * s * u;
    dot += d * h[i];
    dgate[i] = weight * d * u * s * (Real{1} + g * (Real{1} - s));
    dup[i] = weight * d * g * s;
  }
  return dot;
}

template <class Real>
void axpy(Real w, const Real* x, int64_t n, Real* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += w * x[i];
}

template <class Real>
Real inverse_rms(const Real* x, double eps, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return static_cast<Real>(1.0 / std::sqrt(sum / static_cast<double>(n) + eps));
}

template <class Real>
void rms_norm(const Real* x, const Real* weight, double eps, int64_t n, Real* y) {
  const Real inverse = inverse_rms(x, eps, n);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * inverse * weight[i];
}

template <class Real>
void rms_norm_backward(const Real* x, const Real* weight, const Real* dy, double eps, int64_t n, Real* dx, Real* dweight) {
  const Real inverse = inverse_rms(x, eps, n);
  double dot = 0;  // Σ dy · weight · x
  for (int64_t i = 0; i < n; ++i) dot += static_cast<double>(dy[i] * weight[i]) * static_cast<double>(x[i]);
  const Real pull = static_cast<Real>(dot / static_cast<double>(n)) * inverse * inverse;
  for (int64_t i = 0; i < n; ++i) {
    const Real g = dy[i], own = x[i];
    if (dweight != nullptr) dweight[i] += g * own * inverse;
    dx[i] = inverse * (g * weight[i] - own * pull);
  }
}

template <class Real>
double softmax_loss(Real* logits, int64_t n, int64_t target, Real scale) {
  Real top = logits[0];
  for (int64_t i = 1; i < n; ++i) top = std::max(top, logits[i]);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(logits[i] - top));
  const double loss = std::log(sum) - static_cast<double>(logits[target] - top);
  for (int64_t i = 0; i < n; ++i) logits[i] = static_cast<Real>(std::exp(static_cast<double>(logits[i] - top)) / sum) * scale;
  logits[target] -= scale;
  return loss;
}

template <class Real>
Real softmax_step(Real* s, int64_t n, Real scale, Real* top, Real* sum) {
  Real highest = *top;
  for (int64_t i = 0; i < n; ++i) highest = std::max(highest, s[i] * scale);
  const Real factor = std::exp(*top - highest);
  Real own = 0;
  for (int64_t i = 0; i < n; ++i) {
    s[i] = std::exp(s[i] * scale - highest);
    own += s[i];
  }
  *top = highest;
  *sum = *sum * factor + own;
  return factor;
}

template <class Real>
void softmax_backward(Real* s, Real* dp, const Real* lse, const Real* delta, int64_t n, Real scale) {
  for (int64_t i = 0; i < n; ++i) {
    s[i] = std::exp(s[i] * scale - lse[i]);
    dp[i] = scale * s[i] * (dp[i] - delta[i]);
  }
}

template <class Real>
void dropout_mask(RngKey key, double rate, uint32_t token, uint32_t expert, int64_t first, int64_t n, Real* mask) {
  const Real keep = static_cast<Real>(1.0 / (1.0 - rate));
  const auto threshold = static_cast<float>(rate);
  for (int64_t i = 0; i < n; ++i) {
    const auto column = static_cast<uint32_t>(first + i);
    mask[i] = unit_float(philox(key, {column / 4, token, expert, 0})[column % 4]) < threshold ? Real{0} : keep;
  }
}

template <class Real>
double burn(Math, int64_t rounds) {
  volatile Real sum = 0;
  for (int64_t i = 0; i < rounds; ++i) sum = sum + Real{1} * Real{2};
  return 2.0 * static_cast<double>(rounds);
}

template <class Real>
constexpr Primitives<Real> kPrimitives = {{},
                                          {},
                                          tile<Real>,
                                          pack<Real>,
                                          panel<Real>,
                                          transpose<Real>,
                                          swiglu<Real>,
                                          swiglu_backward<Real>,
                                          axpy<Real>,
                                          rms_norm<Real>,
                                          rms_norm_backward<Real>,
                                          softmax_loss<Real>,
                                          softmax_step<Real>,
                                          softmax_backward<Real>,
                                          dropout_mask<Real>,
                                          burn<Real>};

}  // namespace

extern const Primitives<float> kReferenceF32;
const Primitives<float> kReferenceF32 = kPrimitives<float>;

void reference_tile(Math math, int rows, const Segment* segments, int count, float* c, int64_t ldc, bool add) {
  tile<float>(math, rows, segments, count, c, ldc, add);
}

const Primitives<double>& reference_f64() { return kPrimitives<double>; }

}  // namespace hellora::kernels
