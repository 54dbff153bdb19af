// AMX (Sapphire Rapids and later): bf16 products on tile registers of 16 x 16 sums; everything else is the AVX-512 row.
#include <array>

#include "hellora/kernels/avx512_row.h"

namespace hellora::kernels {
namespace {

// Tile registers: sums 0 to 3 as 2 x 2 blocks of a 32 x 32 tile, activations 4 and 5 (16 rows each), weights 6 and 7 (16
// outputs each). A panel's pairs along k are the layout that the instruction wants of its second factor.
constexpr int64_t kChunk = 32;                        // columns of one product
constexpr int64_t kChunkBytes = kChunk * kPanel * 2;  // of a panel
constexpr int64_t kLowerBytes = 1024;                 // from the upper to the lower 16 rows of activations

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

/// Other code on this thread may use tiles too (libtorch does), so every product sets its own shapes.
void configure(int rows) {
  TileConfig config;
  const int upper = std::min(rows, 16), lower = rows - upper;
  for (size_t t = 0; t < 8; ++t) {
    const bool second = t == 2 || t == 3 || t == 5, weights = t >= 6;
    config.row_bytes[t] = 64;
    config.rows[t] = static_cast<uint8_t>(weights ? 16 : second ? std::max(lower, 1) : upper);
  }
  asm volatile("" : : "r"(&config) : "memory");  // GCC 12 tells its optimiser only of the first eight bytes being read
  _tile_loadconfig(&config);
}

/// The sums in registers grow by one segment. Nothing is fetched ahead: prefetches hold the line buffers that the tile loads need
/// (measured: up to a fifth slower).
template <bool kLower>
void multiply(const Segment& s) {
  const auto* a = static_cast<const char*>(s.a);
  const auto* b = static_cast<const char*>(s.b);
  for (int64_t k = 0; k < s.k; k += kChunk, a += s.a_step * 64, b += kChunkBytes) {
    _tile_loadd(6, b, kPairBytes);
    _tile_loadd(4, a, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (kLower) {
      _tile_loadd(5, a + kLowerBytes, 64);
      _tile_dpbf16ps(2, 5, 6);
    }
    _tile_loadd(7, b + 64, kPairBytes);
    _tile_dpbf16ps(1, 4, 7);
    if (kLower) _tile_dpbf16ps(3, 5, 7);
  }
}

template <bool kLower>
void amx_tile(const Segment* segments, int count, float* c, int64_t ldc, bool add) {
  float* lower = c + 16 * ldc;
  if (add) {
    _tile_loadd(0, c, ldc * 4);
    _tile_loadd(1, c + 16, ldc * 4);
    if (kLower) {
      _tile_loadd(2, lower, ldc * 4);
      _tile_loadd(3, lower + 16, ldc * 4);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int i = 0; i < count; ++i) multiply<kLower>(segments[i]);
  _tile_stored(0, c, ldc * 4);
  _tile_stored(1, c + 16, ldc * 4);
  if (kLower) {
    _tile_stored(2, lower, ldc * 4);
    _tile_stored(3, lower + 16, ldc * 4);
  }
}

void tile(Math math, int rows, const Segment* segments, int count, float* c, int64_t ldc, bool add) {
  if (math == Math::full) {
    tile_full(rows, segments, count, c, ldc, add);
    return;
  }
  configure(rows);
  if (rows > 16) {
    amx_tile<true>(segments, count, c, ldc, add);
  } else {
    amx_tile<false>(segments, count, c, ldc, add);
  }
  _tile_release();
}

double burn(Math math, int64_t rounds) {
  if (math == Math::full) return burn_fma(rounds);
  alignas(64) static constexpr std::array<char, 1024> kZeros = {};
  configure(32);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, kZeros.data(), 64);
  _tile_loadd(5, kZeros.data(), 64);
  _tile_loadd(6, kZeros.data(), 64);
  _tile_loadd(7, kZeros.data(), 64);
  const int64_t turns = rounds / 8;  // a turn has about 86 times the arithmetic of an AVX-512 round
  for (int64_t i = 0; i < turns; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return static_cast<double>(turns) * 4 * 2 * 16 * 16 * 32;
}

}  // namespace

extern const Primitives<float> kAmxF32;
const Primitives<float> kAmxF32 = {{},           {32, 16},         tile,         pack_rows, pack_panel,        transpose_panels,
                                   swiglu,       swiglu_backward,  axpy,         rms_norm,  rms_norm_backward, softmax_loss,
                                   softmax_step, softmax_backward, dropout_mask, burn};

}  // namespace hellora::kernels
