#include "hellora/kernels/packed.h"

#include <algorithm>

#include "hellora/kernels/bf16.h"

namespace hellora::kernels {
namespace {

double read_element(const void* data, WeightType store, int64_t i) {
  switch (store) {
    case WeightType::bf16: return widen_bf16(static_cast<const uint16_t*>(data)[i]);
    case WeightType::f32: return static_cast<const float*>(data)[i];
    case WeightType::f64: return static_cast<const double*>(data)[i];
  }
  return 0;
}

void write_element(void* data, WeightType store, int64_t i, double value) {
  switch (store) {
    case WeightType::bf16: static_cast<uint16_t*>(data)[i] = round_bf16(static_cast<float>(value)); return;
    case WeightType::f32: static_cast<float*>(data)[i] = static_cast<float>(value); return;
    case WeightType::f64: static_cast<double*>(data)[i] = value; return;
  }
}

/// Position of (column k, row n of 32) in a panel.
int64_t slot(WeightType store, int64_t k, int64_t n) {
  return store == WeightType::bf16 ? (k / 2 * kPanel + n) * 2 + k % 2 : k * kPanel + n;
}

/// The common case, bf16 to bf16 without a scale: bits are moved, not read as numbers.
void pack_bits(const Plain& source, const Packed& packed, int64_t p, uint16_t* panel) {
  const auto* w = static_cast<const uint16_t*>(source.data);
  const int64_t rows = std::min(kPanel, packed.n - p * kPanel);
  std::fill(panel, panel + packed.padded_k() * kPanel, uint16_t{0});
  for (int64_t r = 0; r < rows; ++r) {
    const uint16_t* row = w + (p * kPanel + r) * source.row;
    for (int64_t k = 0; k < packed.k; ++k) panel[(k / 2 * kPanel + r) * 2 + k % 2] = row[k * source.column];
  }
}

template <class From, class To>
void pack_same(const Plain& source, float scale, const Packed& packed, int64_t p, To* panel) {
  const auto* w = static_cast<const From*>(source.data);
  const int64_t rows = std::min(kPanel, packed.n - p * kPanel);
  std::fill(panel, panel + packed.padded_k() * kPanel, To{0});
  for (int64_t r = 0; r < rows; ++r) {
    const From* row = w + (p * kPanel + r) * source.row;
    for (int64_t k = 0; k < packed.k; ++k) {
      if constexpr (sizeof(To) == 2) {
        panel[(k / 2 * kPanel + r) * 2 + k % 2] = round_bf16(row[k * source.column] * scale);
      } else {
        panel[k * kPanel + r] = row[k * source.column] * scale;
      }
    }
  }
}

void pack_any(const Plain& source, double scale, const Packed& packed, int64_t p, std::byte* panel) {
  std::fill(panel, panel + packed.panel_bytes(), std::byte{0});
  for (int64_t r = 0; r < std::min(kPanel, packed.n - p * kPanel); ++r) {
    for (int64_t k = 0; k < packed.k; ++k) {
      const int64_t from = (p * kPanel + r) * source.row + k * source.column;
      write_element(panel, packed.store, slot(packed.store, k, r), read_element(source.data, source.store, from) * scale);
    }
  }
}

}  // namespace

void pack_matrix(const Plain& source, double scale, const Packed& packed, void* out) {
  const bool bits = source.store == WeightType::bf16 && packed.store == WeightType::bf16 && scale == 1.0;
  const bool from_f32 = source.store == WeightType::f32;
#pragma omp parallel for schedule(static) if (packed.bytes() > (1 << 18))
  for (int64_t p = 0; p < packed.panels(); ++p) {
    std::byte* panel = static_cast<std::byte*>(out) + p * packed.panel_bytes();
    if (bits) {
      pack_bits(source, packed, p, reinterpret_cast<uint16_t*>(panel));
    } else if (from_f32 && packed.store == WeightType::bf16) {
      pack_same<float>(source, static_cast<float>(scale), packed, p, reinterpret_cast<uint16_t*>(panel));
    } else if (from_f32 && packed.store == WeightType::f32) {
      pack_same<float>(source, static_cast<float>(scale), packed, p, reinterpret_cast<float*>(panel));
    } else {
      pack_any(source, scale, packed, p, panel);
    }
  }
}

void unpack_matrix(const Packed& packed, double* out) {
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < packed.n; ++n) {
    const std::byte* panel = packed.panel(n / kPanel);
    for (int64_t k = 0; k < packed.k; ++k) out[n * packed.k + k] = read_element(panel, packed.store, slot(packed.store, k, n % kPanel));
  }
}

}  // namespace hellora::kernels
