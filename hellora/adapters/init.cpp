#include "hellora/adapters/init.h"

#include <cmath>
#include <numbers>

#include "hellora/core/rng.h"

namespace hellora::init {
namespace {

template <class Value>
void fill(const Tensor& out, const InitContext& context, const Value& value) {
  const RngKey key = make_key(context.seed, hash_text("init"), hash_text(context.name));
  Tensor values = at::empty(out.sizes(), at::TensorOptions(at::kDouble));
  double* data = values.data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) data[i] = value(key, static_cast<uint64_t>(i));
  out.copy_(values);
}

}  // namespace

Init zeros() {
  return [](const Tensor&, const InitContext&) {};
}

Init constant(double value) {
  return [value](const Tensor& out, const InitContext&) { out.fill_(value); };
}

Init uniform(double bound) {
  return [bound](const Tensor& out, const InitContext& context) {
    fill(out, context, [bound](RngKey key, uint64_t i) { return (2 * unit_double(key, i) - 1) * bound; });
  };
}

Init kaiming(int64_t fan_in) {
  return [root = std::sqrt(static_cast<double>(fan_in))](const Tensor& out, const InitContext& context) {
    fill(out, context, [root](RngKey key, uint64_t i) { return (2 * unit_double(key, i) - 1) / root; });
  };
}

Init normal(double std) {
  return [std](const Tensor& out, const InitContext& context) {
    fill(out, context, [std](RngKey key, uint64_t i) {  // Box-Muller over two numbers of its own
      const double radius = std::sqrt(-2 * std::log(1 - unit_double(key, 2 * i)));
      return radius * std::cos(2 * std::numbers::pi * unit_double(key, 2 * i + 1)) * std;
    });
  };
}

Init base(std::string parameter) {
  return [parameter = std::move(parameter)](const Tensor& out, const InitContext& context) {
    out.view({-1}).copy_(context.base(parameter).reshape({-1}));
  };
}

}  // namespace hellora::init
