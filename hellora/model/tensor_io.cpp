#include "hellora/model/tensor_io.h"

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/rng.h"

namespace hellora {

at::ScalarType torch_dtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64: return at::kDouble;
    case Dtype::f32: return at::kFloat;
    case Dtype::f16: return at::kHalf;
    case Dtype::bf16: return at::kBFloat16;
    case Dtype::i64: return at::kLong;
    case Dtype::i32: return at::kInt;
    case Dtype::i16: return at::kShort;
    case Dtype::i8: return at::kChar;
    case Dtype::u8: return at::kByte;
    case Dtype::boolean: return at::kBool;
  }
  HELLORA_CHECK(false, "unknown dtype");
}

Dtype file_dtype(at::ScalarType dtype) {
  for (const Dtype one :
       {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::i64, Dtype::i32, Dtype::i16, Dtype::i8, Dtype::u8, Dtype::boolean}) {
    if (torch_dtype(one) == dtype) return one;
  }
  HELLORA_CHECK(false, "dtype has no place in a safetensors file");
}

Tensor read_tensor(const TensorInfo& info, std::span<const std::byte> bytes, at::ScalarType dtype) {
  Tensor raw = at::empty(info.shape, at::TensorOptions(torch_dtype(info.dtype)));  // the map may be unaligned: copy first
  if (!bytes.empty()) std::memcpy(raw.data_ptr(), bytes.data(), bytes.size());
  return raw.to(dtype);
}

Tensor read_tensor(const TensorInfo& info, std::span<const std::byte> bytes) { return read_tensor(info, bytes, torch_dtype(info.dtype)); }

std::span<const std::byte> raw_bytes(const Tensor& tensor) {
  HELLORA_CHECK(tensor.is_contiguous(), "raw bytes need contiguous memory");
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

TensorBytes tensor_bytes(const std::string& name, const Tensor& tensor) {
  return {name, file_dtype(tensor.scalar_type()), tensor.sizes().vec(), raw_bytes(tensor)};
}

uint64_t tensor_hash(const Tensor& tensor) {
  uint64_t state = mix64(static_cast<uint64_t>(tensor.scalar_type()), static_cast<uint64_t>(tensor.dim()));
  for (const int64_t size : tensor.sizes()) state = mix64(state, static_cast<uint64_t>(size));
  return hash_bytes(raw_bytes(tensor.contiguous()), state);
}

}  // namespace hellora
