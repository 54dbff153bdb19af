#include "hellora/model/decoder.h"

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/rng.h"
#include "hellora/tensor/rms_norm.h"

namespace hellora {

Decoder::Decoder(ModelShape shape, ModelWeights weights, at::ScalarType real, const Compute& compute)
    : shape_(std::move(shape)), weights_(std::move(weights)), real_(real), compute_(compute) {
  bind(nullptr);
}

void Decoder::bind(const AdapterSet* adapters) {
  adapters_ = adapters;
  const auto find = [&](int64_t layer, Slot slot) { return adapters != nullptr ? adapters->find(layer, slot) : nullptr; };
  embed_ = find(-1, Slot::embed);
  final_norm_ = find(-1, Slot::final_norm);
  lm_head_ = find(-1, Slot::lm_head);
  layers_.clear();
  for (int64_t layer = 0; layer < shape_.layers; ++layer) layers_.push_back(layer_adapters(layer));
}

Decoder::LayerAdapters Decoder::layer_adapters(int64_t layer) const {
  LayerAdapters bound;
  const std::vector<int64_t> hot = adapters_ != nullptr ? adapters_->hot_experts(layer) : std::vector<int64_t>();
  bound.moe = order_experts(hot, shape_.experts);
  if (adapters_ == nullptr) return bound;
  const auto find = [&](Slot slot) { return adapters_->find(layer, slot); };
  bound.input_norm = find(Slot::input_norm);
  bound.post_norm = find(Slot::post_norm);
  bound.attention = {find(Slot::q), find(Slot::k), find(Slot::v), find(Slot::o), find(Slot::q_norm), find(Slot::k_norm)};
  bound.moe.router = find(Slot::router);
  bound.moe.gate = find(Slot::gate);
  bound.moe.up = find(Slot::up);
  bound.moe.down = find(Slot::down);
  return bound;
}

Tensor Decoder::embed(const Tensor& ids_T) const {
  const Tensor h_TD = at::embedding(effective_weight(weights_.embed_VD, embed_), ids_T).to(real_);
  const LowRank* part = embed_ != nullptr ? embed_->low_rank(0) : nullptr;
  if (part == nullptr) return h_TD;
  return h_TD + at::matmul(at::embedding(part->A_RI.t(), ids_T), part->B_OR.t()) * part->scale;
}

Tensor Decoder::hidden(const Batch& batch, const Forward& forward) const {
  Tensor h_TD = embed(batch.ids_T);
  if (forward.trace) forward.trace("embed", h_TD);
  const RopeAngles angles = rope_angles(batch.positions_T, shape_.head_dim, shape_.rope_theta, real_);
  for (int64_t layer = 0; layer < shape_.layers; ++layer) {
    const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
    const LayerAdapters& a = layers_[static_cast<size_t>(layer)];
    if (layer + 1 == shape_.layers && forward.needed_N.defined()) return last_layer(h_TD, batch, angles, forward);
    const Tensor normed = rms_norm(h_TD, effective_weight(w.input_norm_D, a.input_norm), shape_.rms_eps, compute_);
    h_TD = h_TD + attention(normed, w, shape_, a.attention, layer, forward.context, batch, angles, forward.cache, compute_);
    const Tensor inner = rms_norm(h_TD, effective_weight(w.post_norm_D, a.post_norm), shape_.rms_eps, compute_);
    h_TD = h_TD + moe_block(inner, w.moe, shape_.router, a.moe, layer, forward.context, forward.observers, compute_);
    if (forward.trace) forward.trace(std::to_string(layer), h_TD);
  }
  return h_TD;
}

/// Only rows whose output somebody reads go through the experts, and, unless an observer watches the routing of all rows,
/// through the output projection and the router.
Tensor Decoder::last_layer(const Tensor& h_TD, const Batch& batch, const RopeAngles& angles, const Forward& forward) const {
  const int64_t layer = shape_.layers - 1;
  const LayerWeights& w = weights_.layers.back();
  const LayerAdapters& a = layers_.back();
  const Tensor& rows = forward.needed_N;
  const bool watched =
      std::any_of(forward.observers.begin(), forward.observers.end(), [](const Observer* one) { return one->watches_all_rows(); });
  const Tensor normed = rms_norm(h_TD, effective_weight(w.input_norm_D, a.input_norm), shape_.rms_eps, compute_);
  const Tensor attended =
      attention(normed, w, shape_, a.attention, layer, forward.context, batch, angles, forward.cache, compute_, watched ? Tensor() : rows);
  Tensor h_ND = (watched ? h_TD : h_TD.index_select(0, rows)) + attended;
  Tensor inner = rms_norm(h_ND, effective_weight(w.post_norm_D, a.post_norm), shape_.rms_eps, compute_);
  Routing routing = route_rows(inner, w.moe, shape_.router, a.moe, layer, forward.context, compute_, watched ? Tensor() : rows);
  for (Observer* observer : forward.observers) observer->on_route(layer, routing);
  if (watched) {
    h_ND = h_ND.index_select(0, rows);
    inner = inner.index_select(0, rows);
    routing = {routing.logits_TE, routing.ids_TK.index_select(0, rows), routing.weights_TK.index_select(0, rows)};
  }
  return h_ND + run_experts(inner, routing, w.moe, shape_.router, a.moe, layer, forward.context, compute_, rows);
}

Tensor Decoder::logits(const Tensor& h_ND, const StepContext& context, const Tensor& row_N) const {
  const Tensor normed = rms_norm(h_ND, effective_weight(weights_.final_norm_D, final_norm_), shape_.rms_eps, compute_);
  const Tensor low = lm_head_ != nullptr ? adapter_input(normed, context, -1, Slot::lm_head, row_N) : Tensor();
  // Tied embeddings that are trained in full act in both places.
  const Adapter* head =
      shape_.tied_embeddings && lm_head_ == nullptr && embed_ != nullptr && embed_->weight(0) != nullptr ? embed_ : lm_head_;
  return adapted_linear(normed, weights_.lm_head, head, low, compute_);
}

std::unique_ptr<Decoder> load_decoder(const Checkpoint& checkpoint, const WeightDtypes& dtypes, const Compute& compute) {
  ModelShape shape = read_shape(checkpoint.config(), (checkpoint.folder() / "config.json").string());
  ModelWeights weights = load_weights(checkpoint, shape, dtypes);
  return std::make_unique<Decoder>(std::move(shape), std::move(weights), dtypes.compute, compute);
}

std::string model_hash(const Decoder& decoder) {
  const ModelShape& s = decoder.shape();
  uint64_t state = hash_string(s.arch);
  for (const int64_t n : {s.vocab, s.hidden, s.layers, s.heads, s.kv_heads, s.head_dim, s.experts, s.expert_width, s.router.top_k}) {
    state = mix64(state, static_cast<uint64_t>(n));
  }
  state = mix64(state, decoder.weights().content);
  return hex64(state);
}

}  // namespace hellora
