// The one wide torch include, precompiled for every target that sees tensors.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace hellora {

using at::Tensor;

}  // namespace hellora
