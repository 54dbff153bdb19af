// A kernel row: the primitive operations of the hot path for one instruction set. Rows are chosen at run time from a
// static table; `reference` is plain loops, also for fp64, and the oracle of all others.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "hellora/core/rng.h"
#include "hellora/kernels/packed.h"

namespace hellora::kernels {

/// Arithmetic of products: in the type of the activations, or bf16 pairs with fp32 sums.
enum class Math : uint8_t { full, bf16 };

/// Memory that a product fetches into the cache while it works: for every 32 columns `bytes` from data, which then moves on by
/// `jump`. At most as many bytes as 32 columns of a panel have; null: nothing.
struct Ahead {
  const void* data = nullptr;
  int64_t bytes = 0, jump = 0;
};

/// A run of k columns of a tile product. `a` holds the activations of one row tile as [k][a_step] reals; for Math::bf16 as
/// [k/32][a_step][32] bf16, so that a row's 32 columns fill a cache line. The tile's rows are the first of a_step. `b` is a
/// 32-column panel of `k` columns in `store`. For bf16 stores k is even, for Math::bf16 a multiple of 32.
struct Segment {
  const void* a = nullptr;
  int64_t a_step = 0;
  const void* b = nullptr;
  WeightType store = WeightType::f32;
  int64_t k = 0;
  Ahead ahead{};
};

inline constexpr int kMaxTileRows = 32;

/// How rows are best cut into tiles: at most `rows` each, in multiples of `step` as far as they go.
struct TileRows {
  int rows = 14, step = 1;
};

template <class Real>
struct Primitives {
  TileRows full_rows, bf16_rows;  // by arithmetic
  TileRows tile_rows(Math math) const { return math == Math::bf16 ? bf16_rows : full_rows; }

  /// c (rows, 32), row stride ldc: the sum of all segments, added to c when `add`.
  void (*tile)(Math math, int rows, const Segment* segments, int count, Real* c, int64_t ldc, bool add);

  /// Rows of k reals into tile order: [padded][rows] reals or [padded / 32][rows][32] bf16 (rounded to nearest even). The
  /// columns from k to `padded`, a multiple of 32, become zero.
  void (*pack)(Math math, int rows, const Real* const* source, int64_t k, int64_t padded, void* out);

  /// Up to 32 rows of k reals as one panel (packed.h) of the arithmetic's store; rows and columns that are missing are zero.
  void (*panel)(Math math, int rows, const Real* const* source, int64_t k, int64_t padded, void* out);

  /// Columns column … column+31 of a packed matrix as a panel over its rows: [n][32], or [n/2][32][2] for bf16. Panels
  /// first … first+count-1 of the matrix take part.
  void (*transpose)(const Packed& w, int64_t column, int64_t first, int64_t count, void* out);

  /// h = silu(gate) · up
  void (*swiglu)(const Real* gate, const Real* up, int64_t n, Real* h);

  /// From dh (of w · dh_in, with w the row's weight): dgate, dup, and h; returns Σ dh_in · h. Outputs may alias inputs.
  Real (*swiglu_backward)(const Real* gate, const Real* up, const Real* dh_in, Real weight, int64_t n, Real* dgate, Real* dup, Real* h);

  /// y += w · x
  void (*axpy)(Real w, const Real* x, int64_t n, Real* y);

  /// Row r: x / sqrt(mean(x²) + eps) · weight
  void (*rms_norm)(const Real* x, const Real* weight, double eps, int64_t n, Real* y);
  /// dx of rms_norm; adds dy · x / rms to dweight unless null.
  void (*rms_norm_backward)(const Real* x, const Real* weight, const Real* dy, double eps, int64_t n, Real* dx, Real* dweight);

  /// Negative log likelihood of `target` under softmax(logits); logits become (softmax − onehot) · scale.
  double (*softmax_loss)(Real* logits, int64_t n, int64_t target, Real scale);

  /// A step of a running softmax over n > 0 scores: `top` rises to the largest scale · s, s becomes exp(scale · s - top), and
  /// `sum` their sum with the earlier ones. Returns exp(old top - top), the factor of whatever earlier steps have added up.
  Real (*softmax_step)(Real* s, int64_t n, Real scale, Real* top, Real* sum);
  /// From scores s, dp = d(loss)/d(probability), lse and delta = Σ p · dp: s becomes p = exp(scale · s - lse), dp the gradient
  /// scale · p · (dp - delta) of the score.
  void (*softmax_backward)(Real* s, Real* dp, const Real* lse, const Real* delta, int64_t n, Real scale);

  /// Columns first … first+n-1 (first a multiple of 4) of a row's dropout mask: 0 with probability `rate`, else
  /// 1 / (1 - rate). Column c takes number c % 4 of philox(key, {c / 4, token, expert, 0}): every row draws the same.
  void (*dropout_mask)(RngKey key, double rate, uint32_t token, uint32_t expert, int64_t first, int64_t n, Real* mask);

  /// The row's multiply-add instruction on registers alone, for peak probes; returns the floating-point operations done.
  double (*burn)(Math math, int64_t rounds);
};

struct KernelRow {
  std::string_view name, summary;
  std::string (*why_not)();  // empty when this processor can run the row
  bool bf16_products;        // has Math::bf16 in hardware
  const Primitives<float>* f32;
};

/// Best first; the last one, `reference`, always applies.
std::span<const KernelRow> kernel_rows();

/// Primitives in fp64, from the reference row.
const Primitives<double>& reference_f64();

/// The row in use: the first that applies, or the one that `force_row` named.
const KernelRow& active_row();

/// ConfigError: an unknown name, or a row that this processor lacks (with the reason).
void force_row(const std::string& name);

template <class Real>
const Primitives<Real>& primitives() {
  if constexpr (sizeof(Real) == 8) {
    return reference_f64();
  } else {
    return *active_row().f32;
  }
}

}  // namespace hellora::kernels
