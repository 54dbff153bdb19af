// What an autograd function keeps for its backward pass beside tensors: autograd's saved data takes only its own kinds of values.
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora {

template <class T>
struct Held : torch::CustomClassHolder {
  explicit Held(T v) : value(std::move(v)) {}
  T value;
};

template <class T>
void hold(torch::autograd::AutogradContext* ctx, T value) {
  ctx->saved_data["held"] = c10::IValue::make_capsule(c10::make_intrusive<Held<T>>(std::move(value)));
}

/// What hold() kept; it lives as long as the context.
template <class T>
const T& held(torch::autograd::AutogradContext* ctx) {
  return static_cast<const Held<T>&>(*ctx->saved_data["held"].toCapsule()).value;
}

}  // namespace hellora
