#include "hellora/kernels/probe.h"

#include <algorithm>
#include <chrono>
#include <cstring>

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

double probe_reading(std::span<const std::byte> memory) {
  constexpr int64_t kStreams = 8, kPiece = int64_t{1} << 20, kMost = int64_t{1} << 28;
  const int64_t groups = std::min<int64_t>(static_cast<int64_t>(memory.size()), kMost) / (kPiece * kStreams);
  const double start = now();
  uint64_t sum = 0;
#pragma omp parallel for schedule(static) reduction(+ : sum)
  for (int64_t group = 0; group < groups; ++group) {
    const std::byte* base = memory.data() + group * kPiece * kStreams;
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
  return sum == 1 ? 0 : static_cast<double>(groups * kPiece * kStreams) / seconds;  // the sum is used, so nothing is left out
}

}  // namespace hellora::kernels
