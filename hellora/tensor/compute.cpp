#include "hellora/tensor/compute.h"

#include <array>

namespace hellora {
namespace {

/// A tensor and its bf16 copy, as long as both live.
class KeptCopy {
 public:
  KeptCopy() = default;
  KeptCopy(const Tensor& x, const Tensor& copy)
      : storage_(x.storage().getWeakStorageImpl()),
        sizes_(x.sizes().vec()),
        strides_(x.strides().vec()),
        offset_(x.storage_offset()),
        version_(x._version()),
        copy_(copy.getIntrusivePtr()) {}

  /// The copy, where x is that tensor, unchanged.
  Tensor of(const Tensor& x) const {
    const auto storage = storage_.lock();
    const bool same = storage != nullptr && storage.get() == x.storage().unsafeGetStorageImpl() && offset_ == x.storage_offset() &&
                      version_ == x._version() && x.sizes() == sizes_ && x.strides() == strides_;
    auto copy = same ? copy_.lock() : nullptr;
    return copy != nullptr ? Tensor(std::move(copy)) : Tensor();
  }

 private:
  c10::weak_intrusive_ptr<c10::StorageImpl> storage_{c10::intrusive_ptr<c10::StorageImpl>()};
  std::vector<int64_t> sizes_, strides_;
  int64_t offset_ = 0;
  uint32_t version_ = 0;
  c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl> copy_{c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>()};
};

}  // namespace

Tensor Compute::keep(const Tensor& x) const {
  if (x.scalar_type() != at::kFloat || saved != at::kBFloat16) return x;
  // The router and the experts keep the same rows, and so do attention and the projection behind it.
  static thread_local std::array<KeptCopy, 4> recent;
  static thread_local size_t next = 0;
  for (const KeptCopy& one : recent) {
    Tensor copy = one.of(x);
    if (copy.defined()) return copy;
  }
  Tensor copy = x.to(at::kBFloat16);
  recent[next++ % recent.size()] = KeptCopy(x, copy);
  return copy;
}

}  // namespace hellora
