// Rotary position embedding: frequencies of every rope type, and the rotation of pairs.
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora {

enum class RopeType : uint8_t { plain, linear, llama3, yarn };

/// As config.json tells it (rope_theta, rope_scaling, rope_parameters).
struct RopeRule {
  RopeType type = RopeType::plain;
  double theta = 10000;
  double factor = 1;                       // positions may grow by this
  int64_t original_positions = 0;          // trained positions (llama3, yarn)
  double low_factor = 1, high_factor = 4;  // llama3: wavelengths between which it blends
  double beta_fast = 32, beta_slow = 1;    // yarn: turns over the trained positions between which it blends
  double mscale = 0, mscale_all_dim = 0;   // yarn of DeepSeek; 0: not given
  double attention_factor = 0;             // yarn: factor of cos and sin; 0: 0.1 · ln(factor) + 1, or by the mscales
  bool scale_scores = true;                // yarn of DeepSeek: scores times g(mscale_all_dim)², as in the authors' code
  bool interleaved = false;                // pairs (2j, 2j + 1) instead of (j, j + d / 2)

  friend bool operator==(const RopeRule&, const RopeRule&) = default;
};

/// g(m) = 0.1 · m · ln(factor) + 1 (YaRN, arXiv 2309.00071).
double yarn_scale(double factor, double m);

/// cos and sin of the angle of every pair for given positions: (T, d / 2), times the rule's factor.
struct RopeAngles {
  Tensor cos_TJ, sin_TJ;
  bool interleaved = false;
};

/// Frequencies and angles are computed in `dtype` (fp32; fp64 in tests), as the published models do.
RopeAngles rope_angles(const Tensor& positions_T, int64_t head_dim, const RopeRule& rule, at::ScalarType dtype);

/// x: (T, heads, d), with gradient
Tensor apply_rope(const Tensor& x_TAC, const RopeAngles& angles);

}  // namespace hellora
