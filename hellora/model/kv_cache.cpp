#include "hellora/model/kv_cache.h"

namespace hellora {
namespace {

/// Room for `needed` rows; capacity doubles so that appending stays linear.
void reserve(Tensor& store, int64_t held, int64_t needed, const Tensor& like) {
  if (store.defined() && store.size(0) >= needed) return;
  const int64_t capacity = std::max<int64_t>(needed, store.defined() ? 2 * store.size(0) : 64);
  Tensor grown = at::empty({capacity, like.size(1), like.size(2)}, like.options());
  if (held > 0) grown.narrow(0, 0, held).copy_(store.narrow(0, 0, held));
  store = std::move(grown);
}

}  // namespace

KvCache::KvCache(int64_t layers, int64_t sequences)
    : sequences_(sequences), entries_(static_cast<size_t>(layers * sequences)), weights_(static_cast<size_t>(layers)) {}

int64_t KvCache::length(int64_t sequence) const { return entries_[static_cast<size_t>(sequence)].length; }

std::pair<Tensor, Tensor> KvCache::append(int64_t layer, int64_t sequence, const Tensor& k_TAC, const Tensor& v_TAC) {
  Entry& entry = entries_[static_cast<size_t>(layer * sequences_ + sequence)];
  const int64_t total = entry.length + k_TAC.size(0);
  reserve(entry.k, entry.length, total, k_TAC);
  reserve(entry.v, entry.length, total, v_TAC);
  entry.k.narrow(0, entry.length, k_TAC.size(0)).copy_(k_TAC);
  entry.v.narrow(0, entry.length, v_TAC.size(0)).copy_(v_TAC);
  entry.length = total;
  return {entry.k.narrow(0, 0, total), entry.v.narrow(0, 0, total)};
}

}  // namespace hellora
