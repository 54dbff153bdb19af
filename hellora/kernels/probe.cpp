#include "hellora/kernels/probe.h"

#include <chrono>
#include <cstring>

#include "hellora/kernels/buffer.h"

namespace hellora::kernels {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

double probe_arithmetic(Math math) {
  const auto burn = active_row().f32->burn;
  double rate = 0;
#pragma omp parallel reduction(+ : rate)
  {
    constexpr int64_t kRounds = 100000;
    burn(math, kRounds);  // wakes the clock up
    const double start = now();
    double done = 0;
    while (now() - start < 0.03) done += burn(math, kRounds);
    rate += done / (now() - start);
  }
  return rate;
}

double probe_reading() {
  constexpr int64_t kBytes = int64_t{1} << 28, kStreams = 8, kPiece = int64_t{1} << 20;
  static const Block block = [] {
    Block fresh(kBytes);
    std::memset(fresh.data(), 1, kBytes);
    return fresh;
  }();
  const double start = now();
  uint64_t sum = 0;
#pragma omp parallel for schedule(static) reduction(+ : sum)
  for (int64_t group = 0; group < kBytes / (kPiece * kStreams); ++group) {
    const std::byte* base = block.data() + group * kPiece * kStreams;
    for (int64_t at = 0; at < kPiece; at += 64) {
      for (int64_t s = 0; s < kStreams; ++s) {
        const std::byte* p = base + s * kPiece + at;
        __builtin_prefetch(p + 1024);
        uint64_t word;
        std::memcpy(&word, p, 8);
        sum += word;
      }
    }
  }
  const double seconds = now() - start;
  return sum == 1 ? 0 : static_cast<double>(kBytes) / seconds;  // the sum is used, so nothing is left out
}

}  // namespace hellora::kernels
