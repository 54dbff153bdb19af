#include "hellora/io/dtype.h"

#include <array>

#include "hellora/core/error.h"
#include "hellora/core/json.h"
#include "hellora/core/json_text.h"

namespace hellora {
namespace {

constexpr std::array kAllDtypes = {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::i64,
                                   Dtype::i32, Dtype::i16, Dtype::i8,  Dtype::u8,   Dtype::boolean};

}  // namespace

size_t dtype_size(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
    case Dtype::i64: return 8;
    case Dtype::f32:
    case Dtype::i32: return 4;
    case Dtype::f16:
    case Dtype::bf16:
    case Dtype::i16: return 2;
    case Dtype::i8:
    case Dtype::u8:
    case Dtype::boolean: return 1;
  }
  check_failed("known dtype", __FILE__, __LINE__, std::to_string(static_cast<int>(dtype)));
}

std::string dtype_name(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64: return "F64";
    case Dtype::f32: return "F32";
    case Dtype::f16: return "F16";
    case Dtype::bf16: return "BF16";
    case Dtype::i64: return "I64";
    case Dtype::i32: return "I32";
    case Dtype::i16: return "I16";
    case Dtype::i8: return "I8";
    case Dtype::u8: return "U8";
    case Dtype::boolean: return "BOOL";
  }
  check_failed("known dtype", __FILE__, __LINE__, std::to_string(static_cast<int>(dtype)));
}

Dtype parse_dtype(const std::string& name, const std::string& where) {
  std::string accepted;
  for (const Dtype dtype : kAllDtypes) {
    if (dtype_name(dtype) == name) return dtype;
    accepted += (accepted.empty() ? "" : ", ") + dtype_name(dtype);
  }
  throw FormatError(where + ": dtype " + dump_json(Json(name)) + " is not known; expected one of " + accepted);
}

uint64_t checked_size(std::span<const int64_t> shape, Dtype dtype, const std::string& where) {
  auto size = static_cast<int64_t>(dtype_size(dtype));
  for (const int64_t dimension : shape) {
    if (dimension < 0) throw FormatError(where + ": shape has the negative dimension " + std::to_string(dimension));
    if (__builtin_mul_overflow(size, dimension, &size)) throw FormatError(where + ": shape is too large for 63 bits of bytes");
  }
  return static_cast<uint64_t>(size);
}

int64_t TensorInfo::count() const {
  int64_t product = 1;
  for (const int64_t dimension : shape) {
    HELLORA_CHECK(dimension >= 0 && !__builtin_mul_overflow(product, dimension, &product), "shape of " + name);
  }
  return product;
}

}  // namespace hellora
