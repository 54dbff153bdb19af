#include "hellora/model/weights.h"

#include <set>

#include "hellora/core/error.h"
#include "hellora/core/rng.h"
#include "hellora/model/extra_tensors.h"
#include "hellora/model/loading.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

bool is_transposed(std::vector<int64_t> found, const std::vector<int64_t>& wanted) {
  if (found.size() < 2) return false;
  std::swap(found[found.size() - 1], found[found.size() - 2]);
  return found == wanted;
}

/// Takes tensors out of a checkpoint by name and remembers which ones were taken.
class Loader {
 public:
  Loader(const Checkpoint& checkpoint, const ModelShape& shape)
      : checkpoint_(checkpoint), arch_(find_arch(shape.arch, (checkpoint.folder() / "config.json").string())) {}

  const Arch& arch() const { return arch_; }
  bool contains(const std::string& name) const { return checkpoint_.contains(name); }

  Tensor take(const std::string& name, const std::vector<int64_t>& shape, at::ScalarType dtype) {
    const TensorInfo& info = checkpoint_.info(name);
    if (info.shape != shape) {
      throw FormatError(checkpoint_.folder().string() + ": tensor " + name + " has shape " + shape_text(info.shape) +
                        ", config.json asks for " + shape_text(shape) + (is_transposed(info.shape, shape) ? "; it looks transposed" : ""));
    }
    if (!at::isFloatingType(torch_dtype(info.dtype))) {
      throw FormatError(checkpoint_.folder().string() + ": tensor " + name + " holds " + dtype_name(info.dtype) +
                        "; expected BF16, F16, F32 or F64");
    }
    Tensor tensor = read_tensor(info, checkpoint_.bytes(name), dtype);
    checkpoint_.drop(name);
    taken_.insert(name);
    return tensor;
  }

  Tensor take(Slot slot, int64_t layer, int64_t expert, const std::vector<int64_t>& shape, at::ScalarType dtype) {
    std::string name = parameter_name(arch_, slot, layer, expert);
    if (slot == Slot::router && !arch_.fused_router.empty() && !contains(name)) {
      const std::string other = fill_pattern(arch_.fused_router, layer, -1) + ".weight";
      if (contains(other)) name = other;
    }
    return take(name, shape, dtype);
  }

  void skip(const std::string& name) { taken_.insert(name); }

  void refuse_rest() const {
    for (const std::string& name : checkpoint_.names()) {
      if (!taken_.contains(name) && !is_harmless_tensor(name)) {
        throw FormatError(checkpoint_.folder().string() + ": tensor " + name + " does not belong to a " + std::string(arch_.model_type) +
                          " model of this config.json");
      }
    }
  }

 private:
  const Checkpoint& checkpoint_;
  const Arch& arch_;
  std::set<std::string> taken_;
};

/// Packs what the loader takes, and hashes its values.
class Builder {
 public:
  Builder(Loader& loader, const ModelShape& shape, const WeightDtypes& dtypes, ModelWeights& weights)
      : loader_(loader), shape_(shape), dtypes_(dtypes), weights_(weights) {}

  Tensor vector(Slot slot, int64_t layer) {
    const Tensor value = loader_.take(slot, layer, -1, {slot_sizes(shape_, slot).second}, dtypes_.compute);
    note(value);
    return value;
  }
  kernels::Packed matrix(Slot slot, int64_t layer, int64_t expert = -1) {
    const auto [in, out] = slot_sizes(shape_, slot);
    return pack(loader_.take(slot, layer, expert, {out, in}, is_router_slot(slot) ? dtypes_.compute : dtypes_.stored));
  }
  kernels::Packed pack(const Tensor& value) {
    note(value);
    return weights_.arena.add(value, store_of(value.scalar_type()));
  }
  void note(const Tensor& value) { weights_.content = mix64(weights_.content, tensor_hash(value.to(at::kBFloat16).contiguous())); }

  LayerWeights layer(int64_t layer) {
    LayerWeights w;
    for (const Slot slot : layer_slots()) {
      if (!has_slot(shape_, slot, layer) || is_expert_slot(slot)) continue;
      if (is_vector_slot(slot)) {
        w.vector[slot] = vector(slot, layer);
      } else {
        w.packed(slot) = matrix(slot, layer);
      }
    }
    if (!shape_.routed(layer)) return w;
    const std::string_view fused = loader_.arch().fused_gate_up;
    !fused.empty() && loader_.contains(fill_pattern(fused, layer, -1)) ? fused_experts(layer, w.moe) : experts(layer, w.moe);
    return w;
  }

 private:
  void experts(int64_t layer, MoeWeights& moe) {
    for (int64_t e = 0; e < shape_.experts; ++e) {
      moe.gate.push_back(matrix(Slot::gate, layer, e));
      moe.up.push_back(matrix(Slot::up, layer, e));
      moe.down.push_back(matrix(Slot::down, layer, e));
    }
  }

  /// The fused layout: (E, 2F, D) is gate's rows, then up's; (E, D, F) is down.
  void fused_experts(int64_t layer, MoeWeights& moe) {
    const int64_t e = shape_.experts, f = shape_.expert_width, d = shape_.hidden;
    // Down first: where 2F = D a transposed gate_up has the right shape, but its down has not.
    const Tensor down = loader_.take(fill_pattern(loader_.arch().fused_down, layer, -1), {e, d, f}, dtypes_.stored);
    const Tensor both = loader_.take(fill_pattern(loader_.arch().fused_gate_up, layer, -1), {e, 2 * f, d}, dtypes_.stored);
    for (int64_t i = 0; i < e; ++i) {
      moe.gate.push_back(pack(both[i].narrow(0, 0, f)));
      moe.up.push_back(pack(both[i].narrow(0, f, f)));
      moe.down.push_back(pack(down[i]));
    }
  }

  Loader& loader_;
  const ModelShape& shape_;
  const WeightDtypes& dtypes_;
  ModelWeights& weights_;
};

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

int64_t packed_bytes(const ModelShape& shape, kernels::Store stored, kernels::Store compute) {
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
  Loader loader(checkpoint, shape);
  ModelWeights weights;
  weights.arena = FrozenWeights(packed_bytes(shape, store_of(dtypes.stored), store_of(dtypes.compute)));
  Builder build(loader, shape, dtypes, weights);
  weights.embed_VD = loader.take(Slot::embed, -1, -1, {shape.vocab, shape.hidden}, dtypes.stored);
  build.note(weights.embed_VD);
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    weights.layers.push_back(build.layer(layer));
    if (progress) progress(layer + 1, shape.layers);
  }
  weights.final_norm_D = build.vector(Slot::final_norm, -1);
  const std::string head = parameter_name(loader.arch(), Slot::lm_head, -1);
  if (shape.tied_embeddings) {
    check_tied_head(checkpoint, shape);
    weights.lm_head = build.pack(weights.embed_VD);
    loader.skip(head);
  } else {
    weights.lm_head = build.pack(loader.take(head, {shape.vocab, shape.hidden}, dtypes.stored));
  }
  loader.refuse_rest();
  return weights;
}

Tensor base_weight(const Checkpoint& checkpoint, const ModelShape& shape, const std::string& name) {
  const auto wide = [](const Tensor& t) { return t.scalar_type() == at::kDouble ? t : t.to(at::kFloat); };
  const auto read = [&](const std::string& tensor) { return read_tensor(checkpoint.info(tensor), checkpoint.bytes(tensor)); };
  if (checkpoint.contains(name)) return wide(read(name));
  const Arch& arch = find_arch(shape.arch, checkpoint.folder().string());
  for (const int64_t layer : routed_layers(shape)) {
    if (!arch.fused_router.empty() && parameter_name(arch, Slot::router, layer) == name)
      return wide(read(fill_pattern(arch.fused_router, layer, -1) + ".weight"));
    for (const Slot slot : {Slot::gate, Slot::up, Slot::down}) {
      const std::string fused = fill_pattern(slot == Slot::down ? arch.fused_down : arch.fused_gate_up, layer, -1);
      if (!checkpoint.contains(fused)) continue;
      for (int64_t e = 0; e < shape.experts; ++e) {
        if (parameter_name(arch, slot, layer, e) != name) continue;
        const Tensor one = read(fused).select(0, e);
        if (slot == Slot::down) return wide(one).contiguous();
        return wide(one.narrow(0, slot == Slot::gate ? 0 : shape.expert_width, shape.expert_width)).contiguous();
      }
    }
  }
  throw FormatError(checkpoint.folder().string() + ": tensor " + name + " is missing");
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
