// Element-wise primitives over GCC vector types: one text, compiled once per instruction set by the row that includes it.
// Everything has internal linkage, so that no copy with wider instructions can leak into another row.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "hellora/kernels/row.h"

namespace hellora::kernels {
namespace {

#ifndef HELLORA_SIMD_FLOATS
#error "the including row says how many floats its vectors hold"
#endif
constexpr int64_t kLanes = HELLORA_SIMD_FLOATS;
typedef float VecF __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef int32_t VecI __attribute__((vector_size(kLanes * 4)));
typedef uint32_t VecU __attribute__((vector_size(kLanes * 4)));
typedef uint64_t VecL __attribute__((vector_size(kLanes * 4)));

VecF load(const float* p) { return *reinterpret_cast<const VecF*>(p); }
void store(float* p, VecF v) { *reinterpret_cast<VecF*>(p) = v; }
VecF splat(float v) { return VecF{} + v; }

/// Lanes in order: the sum never depends on anything but the values.
float sum_lanes(VecF v) {
  float sum = 0;
  for (int64_t l = 0; l < kLanes; ++l) sum += v[l];
  return sum;
}

VecF power_of_two(VecI n) { return reinterpret_cast<VecF>((n + 127) << 23); }

/// e^x: range reduction by ln 2, then a polynomial (minimax coefficients as in Cephes). Overflows to inf,
/// underflows to 0, NaN stays NaN.
VecF exp_vec(VecF x) {
  const VecF limited = x > 89.0F ? splat(89.0F) : (x < -104.0F ? splat(-104.0F) : x);
  const VecF rounder = splat(12582912.0F);  // 1.5 · 2^23: adding it rounds to an integer
  const VecF n = (limited * 1.44269504088896341F + rounder) - rounder;
  const VecF r = (limited - n * 0.693359375F) + n * 2.12194440e-4F;
  VecF p = splat(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const VecI whole = __builtin_convertvector(n, VecI), half = whole >> 1;
  return p * power_of_two(half) * power_of_two(whole - half);
}

VecF sigmoid(VecF x) { return 1.0F / (1.0F + exp_vec(-x)); }

/// Products of the even lanes, as 64-bit numbers.
VecL multiply_even(VecL a, VecL b) {
#if HELLORA_SIMD_FLOATS == 16
  return reinterpret_cast<VecL>(_mm512_mul_epu32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#else
  return reinterpret_cast<VecL>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#endif
}

struct WideProduct {
  VecU low, high;
};

/// Lane by lane the halves of a 32 x 32 bit product.
WideProduct multiply_wide(VecU a, uint32_t b) {
  const VecL low_half = VecL{} + 0xFFFFFFFFU, factor = VecL{} + b;
  const VecL pairs = reinterpret_cast<VecL>(a), even = multiply_even(pairs, factor), odd = multiply_even(pairs >> 32, factor);
  return {reinterpret_cast<VecU>((even & low_half) | (odd << 32)), reinterpret_cast<VecU>((even >> 32) | (odd & ~low_half))};
}

/// philox() of core/rng.h for kLanes counters that follow each other.
void philox_lanes(RngKey key, uint32_t position, uint32_t token, uint32_t expert, VecU (&out)[4]) {
  VecU c0 = VecU{} + position, c1 = VecU{} + token, c2 = VecU{} + expert, c3 = {};
  for (int64_t l = 0; l < kLanes; ++l) c0[l] += static_cast<uint32_t>(l);
  for (int round = 0; round < 10; ++round) {
    const WideProduct p0 = multiply_wide(c0, 0xD2511F53U), p1 = multiply_wide(c2, 0xCD9E8D57U);
    c0 = p1.high ^ c1 ^ key.low;
    c1 = p1.low;
    c2 = p0.high ^ c3 ^ key.high;
    c3 = p0.low;
    key.low += 0x9E3779B9U;
    key.high += 0xBB67AE85U;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/// Runs body(position, load, store) over n values; the tail goes through a small buffer so that body sees whole vectors.
template <int kInputs, class Body>
void for_vectors(const float* const (&in)[kInputs], int64_t n, const Body& body) {
  int64_t i = 0;
  VecF values[kInputs];
  for (; i + kLanes <= n; i += kLanes) {
    for (int v = 0; v < kInputs; ++v) values[v] = load(in[v] + i);
    body(i, kLanes, values);
  }
  if (i == n) return;
  for (int v = 0; v < kInputs; ++v) {
    float tail[kLanes] = {};
    std::memcpy(tail, in[v] + i, static_cast<size_t>(n - i) * 4);
    values[v] = load(tail);
  }
  body(i, n - i, values);
}

void store_some(float* p, int64_t count, VecF v) {
  if (count == kLanes) {
    store(p, v);
  } else {
    std::memcpy(p, &v, static_cast<size_t>(count) * 4);
  }
}

void swiglu(const float* gate, const float* up, int64_t n, float* h) {
  for_vectors<2>({gate, up}, n, [&](int64_t i, int64_t count, const VecF* v) { store_some(h + i, count, v[0] * sigmoid(v[0]) * v[1]); });
}

float swiglu_backward(const float* gate, const float* up, const float* dh_in, float weight, int64_t n, float* dgate, float* dup, float* h) {
  VecF dot = {};
  for_vectors<3>({gate, up, dh_in}, n, [&](int64_t i, int64_t count, const VecF* v) {
    const VecF g = v[0], u = v[1], d = v[2], s = sigmoid(g), own = g * s * u;
    dot += d * own;  // the tail's missing lanes are zero
    store_some(h + i, count, own);
    store_some(dgate + i, count, weight * d * u * s * (1.0F + g * (1.0F - s)));
    store_some(dup + i, count, weight * d * g * s);
  });
  return sum_lanes(dot);
}

void axpy(float w, const float* x, int64_t n, float* y) {
  for_vectors<2>({x, y}, n, [&](int64_t i, int64_t count, const VecF* v) { store_some(y + i, count, v[1] + w * v[0]); });
}

float inverse_rms(const float* x, double eps, int64_t n) {
  VecF sum = {};
  for_vectors<1>({x}, n, [&](int64_t, int64_t, const VecF* v) { sum += v[0] * v[0]; });
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(sum_lanes(sum)) / static_cast<double>(n) + eps));
}

void rms_norm(const float* x, const float* weight, double eps, int64_t n, float* y) {
  const float inverse = inverse_rms(x, eps, n);
  for_vectors<2>({x, weight}, n, [&](int64_t i, int64_t count, const VecF* v) { store_some(y + i, count, v[0] * inverse * v[1]); });
}

void rms_norm_backward(const float* x, const float* weight, const float* dy, double eps, int64_t n, float* dx, float* dweight) {
  const float inverse = inverse_rms(x, eps, n);
  VecF dot = {};
  for_vectors<3>({x, weight, dy}, n, [&](int64_t, int64_t, const VecF* v) { dot += v[2] * v[1] * v[0]; });
  const float pull = sum_lanes(dot) / static_cast<float>(n) * inverse * inverse;
  if (dweight != nullptr) {
    for_vectors<3>({x, dy, dweight}, n,
                   [&](int64_t i, int64_t count, const VecF* v) { store_some(dweight + i, count, v[2] + v[1] * v[0] * inverse); });
  }
  for_vectors<3>({x, weight, dy}, n,
                 [&](int64_t i, int64_t count, const VecF* v) { store_some(dx + i, count, inverse * (v[2] * v[1] - v[0] * pull)); });
}

void dropout_mask(RngKey key, double rate, uint32_t token, uint32_t expert, int64_t first, int64_t n, float* mask) {
  const VecF keep = splat(static_cast<float>(1.0 / (1.0 - rate))), threshold = splat(static_cast<float>(rate));
  for (int64_t i = 0; i < n; i += 4 * kLanes) {
    VecU bits[4];
    philox_lanes(key, static_cast<uint32_t>((first + i) / 4), token, expert, bits);
    float drawn[4][kLanes];
    for (int64_t q = 0; q < 4; ++q) {
      const VecF unit = __builtin_convertvector(reinterpret_cast<VecI>(bits[q] >> 8), VecF) * 0x1.0p-24F;
      store(drawn[q], unit < threshold ? VecF{} : keep);
    }
    const int64_t count = n - i < 4 * kLanes ? n - i : 4 * kLanes;
    for (int64_t c = 0; c < count; ++c) mask[i + c] = drawn[c % 4][c / 4];
  }
}

float largest(const float* x, int64_t n) {
  float top = x[0];
  int64_t i = 1;
  if (n >= kLanes) {
    VecF tops = load(x);
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      const VecF own = load(x + i);
      tops = own > tops ? own : tops;
    }
    for (int64_t l = 0; l < kLanes; ++l) top = tops[l] > top ? tops[l] : top;
  }
  for (; i < n; ++i) top = x[i] > top ? x[i] : top;
  return top;
}

double softmax_loss(float* logits, int64_t n, int64_t target, float scale) {
  const float top = largest(logits, n);
  const float wanted = logits[target];
  double total = 0;
  constexpr int64_t kBlock = 1024;  // fp32 lanes inside a block, fp64 over blocks
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t length = n - begin < kBlock ? n - begin : kBlock;
    float* block = logits + begin;
    VecF sum = {};
    for_vectors<1>({block}, length, [&](int64_t i, int64_t count, const VecF* v) {
      VecF e = exp_vec(v[0] - top);
      store_some(block + i, count, e);
      for (int64_t l = count; l < kLanes; ++l) e[l] = 0;
      sum += e;
    });
    total += static_cast<double>(sum_lanes(sum));
  }
  const float factor = scale / static_cast<float>(total);
  for_vectors<1>({logits}, n, [&](int64_t i, int64_t count, const VecF* v) { store_some(logits + i, count, v[0] * factor); });
  logits[target] -= scale;
  return std::log(total) - static_cast<double>(wanted - top);
}

float softmax_step(float* s, int64_t n, float scale, float* top, float* sum) {
  const float own = largest(s, n) * scale, highest = own > *top ? own : *top;
  const float factor = std::exp(*top - highest);
  VecF total = {};
  for_vectors<1>({s}, n, [&](int64_t i, int64_t count, const VecF* v) {
    VecF e = exp_vec(v[0] * scale - highest);
    store_some(s + i, count, e);
    for (int64_t l = count; l < kLanes; ++l) e[l] = 0;
    total += e;
  });
  *top = highest;
  *sum = *sum * factor + sum_lanes(total);
  return factor;
}

void softmax_backward(float* s, float* dp, const float* lse, const float* delta, int64_t n, float scale) {
  for_vectors<4>({s, dp, lse, delta}, n, [&](int64_t i, int64_t count, const VecF* v) {
    const VecF p = exp_vec(v[0] * scale - v[2]);
    store_some(s + i, count, p);
    store_some(dp + i, count, scale * p * (v[1] - v[3]));
  });
}

}  // namespace
}  // namespace hellora::kernels
