// One grouped product over all experts: rows of activations against cold weights, and the same from the reference row.
#pragma once

#include "bench/experts.h"
#include "hellora/kernels/buffer.h"
#include "hellora/kernels/grouped.h"

namespace hellora::kernels::bench {

enum class Direction : uint8_t { forward, input_gradient };

class Product {
 public:
  Product(Direction direction, Math math, const std::vector<int64_t>& offsets);

  /// Packs the activations and multiplies.
  void run();
  /// Runs once and compares: every element is written and nothing behind the last row; sampled panels are the reference's.
  std::string fault();

  double flops() const { return 2.0 * static_cast<double>(rows()) * static_cast<double>(in_ * out_); }
  /// All weights lie one behind the other.
  std::span<const std::byte> memory() const {
    return {static_cast<const std::byte*>(weights_[0].data), static_cast<size_t>(kExperts * weights_[0].bytes())};
  }
  /// Weights of the experts that have rows.
  double weight_bytes() const;

 private:
  int64_t rows() const { return offsets_.back(); }
  int64_t unwritten() const;
  void compare(int64_t expert, int64_t row, int64_t panel, Comparison& comparison) const;

  Direction direction_;
  Math math_;
  std::vector<int64_t> offsets_;
  std::vector<Packed> weights_;
  int64_t in_, out_;
  float *x_, *y_;
  Scratch scratch_;
};

}  // namespace hellora::kernels::bench
