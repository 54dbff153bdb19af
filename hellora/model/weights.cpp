#include "hellora/model/weights.h"

#include <set>

#include "hellora/core/error.h"
#include "hellora/core/rng.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
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
                        ", config.json asks for " + shape_text(shape));
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
    return take(module_path(arch_, slot, layer, expert) + ".weight", shape, dtype);
  }

  void skip(const std::string& name) { taken_.insert(name); }

  void refuse_rest() const {
    for (const std::string& name : checkpoint_.names()) {
      if (!taken_.contains(name)) {
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

  Tensor vector(Slot slot, int64_t layer, int64_t size) {
    const Tensor value = loader_.take(slot, layer, -1, {size}, dtypes_.compute);
    note(value);
    return value;
  }
  kernels::Packed matrix(Slot slot, int64_t layer, int64_t out, int64_t in, at::ScalarType dtype, int64_t expert = -1) {
    return pack(loader_.take(slot, layer, expert, {out, in}, dtype));
  }
  kernels::Packed pack(const Tensor& value) {
    note(value);
    return weights_.arena.add(value, store_of(value.scalar_type()));
  }
  void note(const Tensor& value) { weights_.content = mix64(weights_.content, tensor_hash(value.to(at::kBFloat16).contiguous())); }

  LayerWeights layer(int64_t layer) {
    const int64_t d = shape_.hidden, q = shape_.q_width(), k = shape_.kv_width();
    LayerWeights w;
    w.input_norm_D = vector(Slot::input_norm, layer, d);
    w.post_norm_D = vector(Slot::post_norm, layer, d);
    w.q = matrix(Slot::q, layer, q, d, dtypes_.stored);
    w.k = matrix(Slot::k, layer, k, d, dtypes_.stored);
    w.v = matrix(Slot::v, layer, k, d, dtypes_.stored);
    w.o = matrix(Slot::o, layer, d, q, dtypes_.stored);
    if (shape_.qk_norm_whole) {
      w.q_norm_Q = vector(Slot::q_norm, layer, q);
      w.k_norm_K = vector(Slot::k_norm, layer, k);
    }
    w.moe.router = matrix(Slot::router, layer, shape_.experts, d, dtypes_.compute);
    const bool fused = loader_.contains(fill_pattern(loader_.arch().fused_gate_up, layer, -1));
    fused ? fused_experts(layer, w.moe) : experts(layer, w.moe);
    return w;
  }

 private:
  void experts(int64_t layer, MoeWeights& moe) {
    const int64_t f = shape_.expert_width, d = shape_.hidden;
    for (int64_t e = 0; e < shape_.experts; ++e) {
      moe.gate.push_back(matrix(Slot::gate, layer, f, d, dtypes_.stored, e));
      moe.up.push_back(matrix(Slot::up, layer, f, d, dtypes_.stored, e));
      moe.down.push_back(matrix(Slot::down, layer, d, f, dtypes_.stored, e));
    }
  }

  /// The fused layout: (E, 2F, D) is gate's rows, then up's; (E, D, F) is down.
  void fused_experts(int64_t layer, MoeWeights& moe) {
    const int64_t e = shape_.experts, f = shape_.expert_width, d = shape_.hidden;
    const Tensor both = loader_.take(fill_pattern(loader_.arch().fused_gate_up, layer, -1), {e, 2 * f, d}, dtypes_.stored);
    const Tensor down = loader_.take(fill_pattern(loader_.arch().fused_down, layer, -1), {e, d, f}, dtypes_.stored);
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

int64_t packed_bytes(const ModelShape& s, kernels::Store stored, kernels::Store compute) {
  const auto bytes = [](int64_t n, int64_t k, kernels::Store store) { return kernels::Packed{nullptr, store, n, k}.bytes(); };
  const int64_t attention =
      bytes(s.q_width(), s.hidden, stored) + 2 * bytes(s.kv_width(), s.hidden, stored) + bytes(s.hidden, s.q_width(), stored);
  const int64_t expert = 2 * bytes(s.expert_width, s.hidden, stored) + bytes(s.hidden, s.expert_width, stored);
  return s.layers * (attention + s.experts * expert + bytes(s.experts, s.hidden, compute)) + bytes(s.vocab, s.hidden, stored);
}

ModelWeights load_weights(const Checkpoint& checkpoint, const ModelShape& shape, const WeightDtypes& dtypes) {
  const at::NoGradGuard no_grad;
  Loader loader(checkpoint, shape);
  ModelWeights weights;
  weights.arena = FrozenWeights(packed_bytes(shape, store_of(dtypes.stored), store_of(dtypes.compute)));
  Builder build(loader, shape, dtypes, weights);
  weights.embed_VD = loader.take(Slot::embed, -1, -1, {shape.vocab, shape.hidden}, dtypes.stored);
  build.note(weights.embed_VD);
  for (int64_t layer = 0; layer < shape.layers; ++layer) weights.layers.push_back(build.layer(layer));
  weights.final_norm_D = build.vector(Slot::final_norm, -1, shape.hidden);
  const std::string head = module_path(loader.arch(), Slot::lm_head, -1) + ".weight";
  if (shape.tied_embeddings) {
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
  if (checkpoint.contains(name)) return wide(read_tensor(checkpoint.info(name), checkpoint.bytes(name)));
  const Arch& arch = find_arch(shape.arch, checkpoint.folder().string());
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    for (int64_t e = 0; e < shape.experts; ++e) {
      for (const Slot slot : {Slot::gate, Slot::up, Slot::down}) {
        if (module_path(arch, slot, layer, e) + ".weight" != name) continue;
        const std::string fused = fill_pattern(slot == Slot::down ? arch.fused_down : arch.fused_gate_up, layer, -1);
        const Tensor one = read_tensor(checkpoint.info(fused), checkpoint.bytes(fused)).select(0, e);
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
    const std::pair<const char*, const Tensor*> vectors[] = {
        {"input_norm", &w.input_norm_D}, {"post_norm", &w.post_norm_D}, {"q_norm", &w.q_norm_Q}, {"k_norm", &w.k_norm_K}};
    for (const auto& [name, tensor] : vectors) {
      if (tensor->defined()) visit(at + name, *tensor);
    }
    const std::pair<const char*, const kernels::Packed*> matrices[] = {
        {"q", &w.q}, {"k", &w.k}, {"v", &w.v}, {"o", &w.o}, {"router", &w.moe.router}};
    for (const auto& [name, matrix] : matrices) visit(at + name, dense(*matrix));
    for (size_t e = 0; e < w.moe.gate.size(); ++e) {
      const std::string expert = at + "expert " + std::to_string(e) + " ";
      visit(expert + "gate", dense(w.moe.gate[e]));
      visit(expert + "up", dense(w.moe.up[e]));
      visit(expert + "down", dense(w.moe.down[e]));
    }
  }
}

}  // namespace hellora
