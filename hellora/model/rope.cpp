#include "hellora/model/rope.h"

#include <cmath>
#include <numbers>

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// One pass over x (T, A, C): each pair, (j, j + C/2) or (2j, 2j + 1), is turned by its angle times `direction`, which is 1 or -1.
template <class Real>
void turn(const Tensor& x_TAC, const RopeAngles& angles, Real direction, Tensor& y_TAC) {
  const int64_t heads = x_TAC.size(1), width = x_TAC.size(2), half = width / 2, rows = x_TAC.size(0) * heads;
  const Real *x = x_TAC.const_data_ptr<Real>(), *cos = angles.cos_TJ.const_data_ptr<Real>(), *sin = angles.sin_TJ.const_data_ptr<Real>();
  Real* y = y_TAC.data_ptr<Real>();
  const bool interleaved = angles.interleaved;
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const Real *in = x + r * width, *c = cos + r / heads * half, *s = sin + r / heads * half;
    Real* out = y + r * width;
    if (interleaved) {
      for (int64_t j = 0; j < half; ++j) {
        const Real even = in[2 * j], odd = in[2 * j + 1], sine = direction * s[j];
        out[2 * j] = even * c[j] - odd * sine;
        out[2 * j + 1] = odd * c[j] + even * sine;
      }
      continue;
    }
    for (int64_t j = 0; j < half; ++j) {
      const Real low = in[j], high = in[j + half], sine = direction * s[j];
      out[j] = low * c[j] - high * sine;
      out[j + half] = high * c[j] + low * sine;
    }
  }
}

Tensor turned(const Tensor& x_in, const RopeAngles& angles, int direction) {
  const Tensor x = x_in.contiguous();
  Tensor y = at::empty_like(x);
  if (x.scalar_type() == at::kDouble) {
    turn<double>(x, angles, direction, y);
  } else {
    turn<float>(x, angles, static_cast<float>(direction), y);
  }
  return y;
}

/// The gradient of a rotation is the rotation back: nothing but the angles is kept.
class Rope : public torch::autograd::Function<Rope> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x_TAC, const Tensor& cos_TJ, const Tensor& sin_TJ, bool interleaved) {
    ctx->save_for_backward({cos_TJ, sin_TJ});
    ctx->saved_data["interleaved"] = interleaved;
    return turned(x_TAC, {cos_TJ, sin_TJ, interleaved}, 1);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto angles = ctx->get_saved_variables();
    return {turned(grads[0], {angles[0], angles[1], ctx->saved_data["interleaved"].toBool()}, -1), Tensor(), Tensor(), Tensor()};
  }
};

/// Long waves are stretched by `factor`, short ones stay, those between are blended (Llama 3.1).
Tensor llama3_frequencies(const Tensor& plain_J, const RopeRule& rule) {
  const auto trained = static_cast<double>(rule.original_positions);
  const Tensor wave = 2 * std::numbers::pi / plain_J;
  const Tensor blend = (trained / wave - rule.low_factor) / (rule.high_factor - rule.low_factor);
  const Tensor between = (1 - blend) * plain_J / rule.factor + blend * plain_J;
  const Tensor stretched = at::where(wave > trained / rule.low_factor, plain_J / rule.factor, between);
  return at::where(wave < trained / rule.high_factor, plain_J, stretched);
}

/// Pairs that turn seldom over the trained positions are stretched, fast ones stay, with a ramp between (YaRN).
Tensor yarn_frequencies(const Tensor& plain_J, int64_t width, const RopeRule& rule) {
  const auto d = static_cast<double>(width);
  const auto pair_of = [&](double turns) {
    return d * std::log(static_cast<double>(rule.original_positions) / (turns * 2 * std::numbers::pi)) / (2 * std::log(rule.theta));
  };
  const double low = std::max(std::floor(pair_of(rule.beta_fast)), 0.0);
  double high = std::min(std::ceil(pair_of(rule.beta_slow)), d - 1);
  if (low == high) high += 0.001;
  const Tensor ramp = ((at::arange(width / 2, plain_J.options()) - low) / (high - low)).clamp(0, 1);
  return plain_J / rule.factor * ramp + plain_J * (1 - ramp);
}

Tensor inverse_frequencies(int64_t width, const RopeRule& rule, at::ScalarType dtype) {
  const Tensor exponent = at::arange(0, width, 2, at::TensorOptions(dtype)) / static_cast<double>(width);
  const Tensor plain = at::reciprocal(at::pow(rule.theta, exponent));
  switch (rule.type) {
    case RopeType::plain: return plain;
    case RopeType::linear: return plain / rule.factor;
    case RopeType::llama3: return llama3_frequencies(plain, rule);
    case RopeType::yarn: return yarn_frequencies(plain, width, rule);
  }
  return plain;
}

/// What cos and sin are multiplied by.
double amplitude(const RopeRule& rule) {
  if (rule.type != RopeType::yarn) return 1;
  if (rule.attention_factor > 0) return rule.attention_factor;
  if (rule.mscale > 0 && rule.mscale_all_dim > 0) {
    return yarn_scale(rule.factor, rule.mscale) / yarn_scale(rule.factor, rule.mscale_all_dim);
  }
  return yarn_scale(rule.factor, 1);
}

}  // namespace

double yarn_scale(double factor, double m) { return factor > 1 ? 0.1 * m * std::log(factor) + 1 : 1; }

RopeAngles rope_angles(const Tensor& positions_T, int64_t head_dim, const RopeRule& rule, at::ScalarType dtype) {
  const Tensor angle_TJ = positions_T.to(dtype).unsqueeze(1) * inverse_frequencies(head_dim, rule, dtype).unsqueeze(0);
  const double factor = amplitude(rule);
  if (factor == 1) return {angle_TJ.cos(), angle_TJ.sin(), rule.interleaved};
  return {angle_TJ.cos() * factor, angle_TJ.sin() * factor, rule.interleaved};
}

Tensor apply_rope(const Tensor& x_TAC, const RopeAngles& angles) {
  return Rope::apply(x_TAC, angles.cos_TJ, angles.sin_TJ, angles.interleaved);
}

}  // namespace hellora
