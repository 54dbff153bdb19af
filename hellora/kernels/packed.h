// Weights W (n, k) laid out in panels of 32 rows for the product kernels. One copy serves y = x Wᵀ (panels as they
// lie) and dx = dy W (32 columns at a time, transposed into a cache-sized scratch).
#pragma once

#include <cstddef>
#include <cstdint>

namespace hellora::kernels {

inline constexpr int64_t kPanel = 32;

enum class WeightType : uint8_t { bf16, f32, f64 };

inline int64_t store_bytes(WeightType store) {
  switch (store) {
    case WeightType::bf16: return 2;
    case WeightType::f32: return 4;
    case WeightType::f64: return 8;
  }
  return 0;
}
inline int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }
/// Columns that n values take in packed form.
inline int64_t padded(int64_t n) { return round_up(n, kPanel); }

/// Panel p holds rows 32p … 32p+31 over all of k: [k][32] for fp32 and fp64, [k/2][32][2] (pairs along k) for bf16.
/// Both sizes are padded with zeros to multiples of 32.
struct Packed {
  const void* data = nullptr;
  WeightType store = WeightType::f32;
  int64_t n = 0, k = 0;  // true sizes

  int64_t panels() const { return round_up(n, kPanel) / kPanel; }
  int64_t padded_k() const { return padded(k); }
  int64_t panel_bytes() const { return padded_k() * kPanel * store_bytes(store); }
  int64_t bytes() const { return panels() * panel_bytes(); }
  const std::byte* panel(int64_t p) const { return static_cast<const std::byte*>(data) + p * panel_bytes(); }
};

/// A matrix in ordinary memory: element (i, j) of W is at data[i * row + j * column]. bf16 elements are raw 16-bit words.
struct Plain {
  const void* data = nullptr;
  WeightType store = WeightType::f32;
  int64_t row = 0, column = 1;
};

/// Fills `out` (packed.bytes(), 64-byte aligned) with W · scale. Any store packs into any other; bf16 rounds to nearest even.
void pack_matrix(const Plain& source, double scale, const Packed& packed, void* out);

/// The inverse: W as (n, k) row-major fp64 values of the store.
void unpack_matrix(const Packed& packed, double* out);

}  // namespace hellora::kernels
