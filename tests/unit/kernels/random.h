// Random numbers and aligned memory for kernel tests.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "hellora/core/rng.h"

namespace hellora::kernels::testing {

/// Uniform in [-1, 1), a function of seed and position.
inline std::vector<float> random_floats(int64_t count, uint64_t seed) {
  std::vector<float> out(static_cast<size_t>(count));
  const RngKey key = make_key(seed, hash_text("kernel test"));
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(2 * unit_double(key, i) - 1);
  return out;
}

/// Uniform in [low, high].
inline int64_t random_int(int64_t low, int64_t high, uint64_t seed, uint64_t position) {
  return low + static_cast<int64_t>(random_u64(make_key(seed, hash_text("kernel int")), position) % static_cast<uint64_t>(high - low + 1));
}

/// 64-byte aligned memory; movable, its address stays.
template <class T>
class Aligned {
 public:
  explicit Aligned(size_t count) : memory_(new(std::align_val_t{64}) T[count]()) {}
  T* data() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<T[], Free> memory_;
};

}  // namespace hellora::kernels::testing
