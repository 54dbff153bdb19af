// Between torch tensors and safetensors.
#pragma once

#include "hellora/io/safetensors.h"
#include "hellora/tensor/torch.h"

namespace hellora {

at::ScalarType torch_dtype(Dtype dtype);
Dtype file_dtype(at::ScalarType dtype);

/// A tensor over mapped bytes, copied into its own memory in `dtype`.
Tensor read_tensor(const TensorInfo& info, std::span<const std::byte> bytes, at::ScalarType dtype);
/// In the dtype of the file.
Tensor read_tensor(const TensorInfo& info, std::span<const std::byte> bytes);

/// Describes a contiguous CPU tensor for writing; the tensor must outlive the write.
TensorBytes tensor_bytes(const std::string& name, const Tensor& tensor);
std::span<const std::byte> raw_bytes(const Tensor& tensor);

/// 64-bit hash of a tensor's bytes, shape and dtype; for provenance and for "did a frozen tensor change".
uint64_t tensor_hash(const Tensor& tensor);

}  // namespace hellora
