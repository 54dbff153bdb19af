#include "hellora/model/weights.h"

#include "hellora/core/error.h"
#include "hellora/core/rng.h"
#include "hellora/model/extra_tensors.h"
#include "hellora/model/loading.h"
#include "hellora/model/stored.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

/// A weight in the dtype that it is kept in; the file's pages are dropped.
Tensor load(const Checkpoint& checkpoint, const StoredWeight& weight, at::ScalarType dtype) {
  Tensor value = read_elements(checkpoint, weight.tensor, weight.first, weight.count()).to(dtype).view(weight.shape);
  drop_elements(checkpoint, weight.tensor, weight.first, weight.count());
  return value;
}

/// Puts a weight of a layer in its place; experts come in their order.
void place(const StoredWeight& weight, const Tensor& value, ModelWeights& weights) {
  LayerWeights& layer = weights.layers[static_cast<size_t>(weight.layer)];
  if (is_vector_slot(weight.slot)) {
    layer.vector[weight.slot] = value;
    return;
  }
  const kernels::Packed packed = weights.arena.add(value, store_of(value.scalar_type()));
  switch (weight.slot) {
    case Slot::gate: layer.moe.gate.push_back(packed); return;
    case Slot::up: layer.moe.up.push_back(packed); return;
    case Slot::down: layer.moe.down.push_back(packed); return;
    default: layer.packed(weight.slot) = packed;
  }
}

}  // namespace

const kernels::Packed& LayerWeights::packed(Slot slot, int64_t expert) const {
  const auto e = static_cast<size_t>(std::max<int64_t>(0, expert));
  switch (slot) {
    case Slot::router: return moe.router;
    case Slot::gate: return moe.gate.at(e);
    case Slot::up: return moe.up.at(e);
    case Slot::down: return moe.down.at(e);
    default: return matrix[slot];
  }
}

kernels::Packed& LayerWeights::packed(Slot slot, int64_t expert) {
  return const_cast<kernels::Packed&>(std::as_const(*this).packed(slot, expert));
}

int64_t packed_bytes(const ModelShape& shape, kernels::WeightType stored, kernels::WeightType compute) {
  int64_t total = 0;
  for_each_slot(shape, [&](Slot slot, int64_t) {
    if (is_vector_slot(slot) || slot == Slot::embed) return;
    const auto [in, out] = slot_sizes(shape, slot);
    const int64_t one = kernels::Packed{nullptr, is_router_slot(slot) ? compute : stored, out, in}.bytes();
    total += kernels::round_up(one, 64) * (is_expert_slot(slot) ? shape.experts : 1);
  });
  if (shape.tied_embeddings) total += kernels::Packed{nullptr, stored, shape.vocab, shape.hidden}.bytes();
  return total;
}

ModelWeights load_weights(const Checkpoint& checkpoint, const ModelShape& shape, const WeightDtypes& dtypes) {
  return load_weights(checkpoint, shape, dtypes, {});
}

ModelWeights load_weights(const Checkpoint& checkpoint, const ModelShape& shape, const WeightDtypes& dtypes, const LoadProgress& progress) {
  const at::NoGradGuard no_grad;
  const std::vector<StoredWeight> stored = stored_weights(checkpoint, shape);
  ModelWeights weights;
  weights.arena = FrozenWeights(packed_bytes(shape, store_of(dtypes.stored), store_of(dtypes.compute)));
  weights.layers.resize(static_cast<size_t>(shape.layers));
  int64_t layer = 0;  // whose weights come; every layer's stand together
  for (const StoredWeight& one : stored) {
    if (one.layer < 0 ? layer == shape.layers - 1 && one.slot == Slot::final_norm : one.layer > layer) {
      if (progress) progress(layer + 1, shape.layers);
      layer = one.layer;
    }
    const bool tied = one.slot == Slot::lm_head && shape.tied_embeddings;
    const bool exact = is_vector_slot(one.slot) || is_router_slot(one.slot);
    const Tensor value = tied ? weights.embed_VD : load(checkpoint, one, exact ? dtypes.compute : dtypes.stored);
    weights.content =
        mix64(weights.content,
              values_hash(one.shape, [flat = value.view(-1)](int64_t first, int64_t count) { return flat.narrow(0, first, count); }));
    switch (one.slot) {
      case Slot::embed: weights.embed_VD = value; break;
      case Slot::final_norm: weights.final_norm_D = value; break;
      case Slot::lm_head: weights.lm_head = weights.arena.add(value, store_of(value.scalar_type())); break;
      default: place(one, value, weights);
    }
  }
  return weights;
}

Tensor base_weight(const Checkpoint& checkpoint, const ModelShape& shape, const std::string& name) {
  const std::optional<StoredWeight> weight = find_stored(checkpoint, shape, name);
  if (!weight) throw FormatError(checkpoint.folder().string() + ": tensor " + name + " is missing");
  const Tensor value = read_elements(checkpoint, weight->tensor, weight->first, weight->count()).view(weight->shape);
  return value.scalar_type() == at::kDouble ? value : value.to(at::kFloat);
}

void for_each_weight(const ModelWeights& weights, const std::function<void(const std::string&, const Tensor&)>& visit) {
  visit("embed", weights.embed_VD);
  visit("final_norm", weights.final_norm_D);
  visit("lm_head", dense(weights.lm_head));
  for (size_t layer = 0; layer < weights.layers.size(); ++layer) {
    const LayerWeights& w = weights.layers[layer];
    const std::string at = "layer " + std::to_string(layer) + " ";
    const auto name = [&](Slot slot) { return at + "slot " + std::to_string(static_cast<int>(slot)); };
    for (const Slot slot : layer_slots()) {
      if (is_expert_slot(slot)) continue;
      if (is_vector_slot(slot) && w.vector[slot].defined()) visit(name(slot), w.vector[slot]);
      if (!is_vector_slot(slot) && w.packed(slot).data != nullptr) visit(name(slot), dense(w.packed(slot)));
    }
    for (size_t e = 0; e < w.moe.gate.size(); ++e) {
      for (const Slot slot : {Slot::gate, Slot::up, Slot::down})
        visit(name(slot) + " expert " + std::to_string(e), dense(w.packed(slot, static_cast<int64_t>(e))));
    }
  }
}

}  // namespace hellora
