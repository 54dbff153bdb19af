// Kernels that only move numbers: activations packed into tile order, weights transposed for the input gradient. Bytes must be the
// reference's.
#include <array>

#include "bench/experts.h"
#include "hellora/kernels/buffer.h"

namespace hellora::kernels::bench {
namespace {

const Primitives<float>& reference() { return *kernel_rows().back().f32; }

/// Rows of kWidth numbers into strips of one tile each, as Operand has them.
class Packing {
 public:
  Packing(const KernelRow& row, Math math, bool cached)
      : prim_(*row.f32),
        math_(math),
        rows_(prim_.tile_rows(math).rows),
        tiles_(cached ? 1 : 16384 / rows_),
        x_(shared_floats(2 * tiles_ * strip())) {
    fill(x_, tiles_ * strip(), 40, 1);
  }

  void run(int64_t passes) {
    for (int64_t pass = 0; pass < passes; ++pass) {
#pragma omp parallel for schedule(static) if (tiles_ > 1)
      for (int64_t t = 0; t < tiles_; ++t) pack(prim_, t, x_ + (tiles_ + t) * strip());
    }
  }

  std::string fault() {
    const auto bytes = static_cast<size_t>(strip() * (math_ == Math::bf16 ? 2 : 4));
    fill(x_ + tiles_ * strip(), tiles_ * strip(), 41, 1);
    run(1);
    Comparison comparison;
    std::vector<float> want(static_cast<size_t>(strip()));
    for (int64_t t = 0; t < tiles_; t += 1 + tiles_ / 100) {
      pack(reference(), t, want.data());
      comparison.add_bytes(x_ + (tiles_ + t) * strip(), want.data(), bytes);
    }
    return comparison.fault();
  }

  double bytes() const { return static_cast<double>(tiles_ * strip()) * (math_ == Math::bf16 ? 6 : 8); }

 private:
  int64_t strip() const { return rows_ * kWidth; }  // numbers of a tile; packed ones take as much or half

  void pack(const Primitives<float>& p, int64_t tile, void* out) const {
    std::array<const float*, kMaxTileRows> rows{};
    for (int r = 0; r < rows_; ++r) rows[static_cast<size_t>(r)] = x_ + tile * strip() + r * kWidth;
    p.pack(math_, rows_, rows.data(), kWidth, kWidth, out);
  }

  const Primitives<float>& prim_;
  Math math_;
  int rows_;
  int64_t tiles_;
  float* x_;
};

/// Panel blocks of every expert into a scratch that stays in the cache, as the input gradient asks for them.
class Transposition {
 public:
  /// fp32 weights are the same bits, read as half as many rows.
  Transposition(const KernelRow& row, WeightType store) : prim_(*row.f32), weights_(expert_weights()) {
    for (Packed& w : weights_) w = {w.data, store, w.n * 2 / store_bytes(store), w.k};
  }

  void run() const {
    constexpr int64_t kTogether = 4;  // neighbouring columns of one task
#pragma omp parallel
    {
      Scratch scratch;
#pragma omp for schedule(dynamic)
      for (int64_t task = 0; task < kExperts * columns() / kTogether; ++task) {
        std::byte* out = scratch.get(static_cast<size_t>(kTogether * bytes_of_column()));
        for (int64_t i = 0; i < kTogether; ++i) transpose(prim_, task * kTogether + i, out + i * bytes_of_column());
      }
    }
  }

  std::string fault() const {
    Scratch got, want;
    Comparison comparison;
    const auto bytes = static_cast<size_t>(bytes_of_column());
    for (int64_t at = 0; at < kExperts * columns(); at += 61) {  // comes to every expert, and to every column of some
      transpose(prim_, at, got.get(bytes));
      transpose(reference(), at, want.get(bytes));
      comparison.add_bytes(got.get(bytes), want.get(bytes), bytes);
    }
    return comparison.fault();
  }

  double bytes() const { return 2.0 * static_cast<double>(kExperts * columns() * bytes_of_column()); }

 private:
  static int64_t columns() { return kWidth / kPanel; }
  int64_t bytes_of_column() const { return weights_[0].panels() * kPanel * kPanel * store_bytes(weights_[0].store); }
  void transpose(const Primitives<float>& p, int64_t at, void* out) const {
    const Packed& w = weights_[static_cast<size_t>(at / columns())];
    p.transpose(w, at % columns() * kPanel, 0, w.panels(), out);
  }

  const Primitives<float>& prim_;
  std::vector<Packed> weights_;
};

Body packing(Math math, bool cached) {
  return [=](benchmark::State& state, const KernelRow& row) {
    Packing packing(row, math, cached);
    if (refuse(state, packing.fault())) return;
    const int64_t passes = cached ? 32 : 1;
    const double seconds = measure(
        state, [] {}, [&] { packing.run(passes); });
    state.counters["GB/s"] = packing.bytes() * static_cast<double>(passes) / seconds * 1e-9;
  };
}

Body transposition(WeightType store) {
  return [=](benchmark::State& state, const KernelRow& row) {
    const Transposition transposition(row, store);
    if (refuse(state, transposition.fault())) return;
    const double seconds = measure(
        state, [] {}, [&] { transposition.run(); });
    state.counters["GB/s"] = transposition.bytes() / seconds * 1e-9;
  };
}

}  // namespace

void add_layout() {
  for (const KernelRow* row : rows_here()) {
    add_benchmark("pack", *row, "bf16/cached", packing(Math::bf16, true));
    add_benchmark("pack", *row, "bf16/memory", packing(Math::bf16, false));
    add_benchmark("pack", *row, "fp32/cached", packing(Math::full, true));
    add_benchmark("pack", *row, "fp32/memory", packing(Math::full, false));
    add_benchmark("transpose", *row, "bf16/memory", transposition(WeightType::bf16));
    add_benchmark("transpose", *row, "fp32/memory", transposition(WeightType::f32));
  }
}

}  // namespace hellora::kernels::bench
