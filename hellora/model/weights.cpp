#include "hellora/model/weights.h"

#include <set>

#include "hellora/core/error.h"
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

/// Experts from the fused layout: (E, 2F, D) is gate's rows, then up's; (E, D, F) is down.
void load_fused(Loader& loader, const ModelShape& shape, int64_t layer, at::ScalarType stored, MoeWeights& moe) {
  const int64_t e = shape.experts, f = shape.expert_width, d = shape.hidden;
  const Tensor both = loader.take(fill_pattern(loader.arch().fused_gate_up, layer, -1), {e, 2 * f, d}, stored);
  moe.gate_EFD = both.narrow(1, 0, f).contiguous();
  moe.up_EFD = both.narrow(1, f, f).contiguous();
  moe.down_EDF = loader.take(fill_pattern(loader.arch().fused_down, layer, -1), {e, d, f}, stored);
}

void load_per_expert(Loader& loader, const ModelShape& shape, int64_t layer, at::ScalarType stored, MoeWeights& moe) {
  const int64_t f = shape.expert_width, d = shape.hidden;
  moe.gate_EFD = at::empty({shape.experts, f, d}, at::TensorOptions(stored));
  moe.up_EFD = at::empty_like(moe.gate_EFD);
  moe.down_EDF = at::empty({shape.experts, d, f}, at::TensorOptions(stored));
  for (int64_t e = 0; e < shape.experts; ++e) {
    moe.gate_EFD.select(0, e).copy_(loader.take(Slot::gate, layer, e, {f, d}, stored));
    moe.up_EFD.select(0, e).copy_(loader.take(Slot::up, layer, e, {f, d}, stored));
    moe.down_EDF.select(0, e).copy_(loader.take(Slot::down, layer, e, {d, f}, stored));
  }
}

LayerWeights load_layer(Loader& loader, const ModelShape& shape, int64_t layer, const WeightDtypes& dtypes) {
  const int64_t d = shape.hidden, q = shape.q_width(), k = shape.kv_width();
  LayerWeights w;
  w.input_norm_D = loader.take(Slot::input_norm, layer, -1, {d}, dtypes.compute);
  w.post_norm_D = loader.take(Slot::post_norm, layer, -1, {d}, dtypes.compute);
  w.q_QD = loader.take(Slot::q, layer, -1, {q, d}, dtypes.stored);
  w.k_KD = loader.take(Slot::k, layer, -1, {k, d}, dtypes.stored);
  w.v_KD = loader.take(Slot::v, layer, -1, {k, d}, dtypes.stored);
  w.o_DQ = loader.take(Slot::o, layer, -1, {d, q}, dtypes.stored);
  if (shape.qk_norm_whole) {
    w.q_norm_Q = loader.take(Slot::q_norm, layer, -1, {q}, dtypes.compute);
    w.k_norm_K = loader.take(Slot::k_norm, layer, -1, {k}, dtypes.compute);
  }
  w.moe.router_ED = loader.take(Slot::router, layer, -1, {shape.experts, d}, dtypes.compute);
  const bool fused = loader.contains(fill_pattern(loader.arch().fused_gate_up, layer, -1));
  (fused ? load_fused : load_per_expert)(loader, shape, layer, dtypes.stored, w.moe);
  return w;
}

}  // namespace

ModelWeights load_weights(const Checkpoint& checkpoint, const ModelShape& shape, const WeightDtypes& dtypes) {
  const at::NoGradGuard no_grad;
  Loader loader(checkpoint, shape);
  ModelWeights weights;
  weights.embed_VD = loader.take(Slot::embed, -1, -1, {shape.vocab, shape.hidden}, dtypes.stored);
  for (int64_t layer = 0; layer < shape.layers; ++layer) weights.layers.push_back(load_layer(loader, shape, layer, dtypes));
  weights.final_norm_D = loader.take(Slot::final_norm, -1, -1, {shape.hidden}, dtypes.compute);
  const std::string head = module_path(loader.arch(), Slot::lm_head, -1) + ".weight";
  if (shape.tied_embeddings) {
    weights.lm_head_VD = weights.embed_VD;
    loader.skip(head);
  } else {
    weights.lm_head_VD = loader.take(head, {shape.vocab, shape.hidden}, dtypes.stored);
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
  visit("lm_head", weights.lm_head_VD);
  for (size_t layer = 0; layer < weights.layers.size(); ++layer) {
    const LayerWeights& w = weights.layers[layer];
    const std::string at = "layer " + std::to_string(layer) + " ";
    const std::pair<const char*, const Tensor*> all[] = {{"input_norm", &w.input_norm_D},
                                                         {"post_norm", &w.post_norm_D},
                                                         {"q", &w.q_QD},
                                                         {"k", &w.k_KD},
                                                         {"v", &w.v_KD},
                                                         {"o", &w.o_DQ},
                                                         {"q_norm", &w.q_norm_Q},
                                                         {"k_norm", &w.k_norm_K},
                                                         {"router", &w.moe.router_ED},
                                                         {"gate", &w.moe.gate_EFD},
                                                         {"up", &w.moe.up_EFD},
                                                         {"down", &w.moe.down_EDF}};
    for (const auto& [name, tensor] : all) {
      if (tensor->defined()) visit(at + name, *tensor);
    }
  }
}

}  // namespace hellora
