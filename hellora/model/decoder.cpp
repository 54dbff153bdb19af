#include "hellora/model/decoder.h"

#include "hellora/core/error.h"
#include "hellora/model/latent_attention.h"
#include "hellora/model/loading.h"
#include "hellora/model/recompute.h"
#include "hellora/model/stored.h"
#include "hellora/moe/mlp.h"
#include "hellora/tensor/rms_norm.h"

namespace hellora {
namespace {

/// Whether an embedding, whose rows are looked up and not multiplied, can carry the part.
bool looks_up(const Part& part) { return std::holds_alternative<LowRank>(part) || std::holds_alternative<OwnWeight>(part); }

}  // namespace

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
  if (embed_ != nullptr && !looks_up(embed_->part(0))) {
    throw ConfigError("adapter.method: " + std::string(adapters->method().name) +
                      " has no form for an embedding, whose rows are looked up and not multiplied; leave embed out of adapter.targets");
  }
  layers_.clear();
  for (int64_t layer = 0; layer < shape_.layers; ++layer) layers_.push_back(layer_adapters(layer));
}

Decoder::LayerAdapters Decoder::layer_adapters(int64_t layer) const {
  LayerAdapters bound;
  const std::vector<int64_t> hot = adapters_ != nullptr ? adapters_->hot_experts(layer) : std::vector<int64_t>();
  bound.moe = order_experts(hot, shape_.experts);
  if (adapters_ == nullptr) return bound;
  for (const Slot slot : layer_slots()) {
    bound.slot[slot] = adapters_->find(layer, slot);
    bound.any = bound.any || bound.slot[slot] != nullptr;
  }
  bound.moe.router = bound.slot[Slot::router];
  bound.moe.gate = bound.slot[Slot::gate];
  bound.moe.up = bound.slot[Slot::up];
  bound.moe.down = bound.slot[Slot::down];
  return bound;
}

Tensor Decoder::embed(const Tensor& ids_T) const {
  const Tensor h_TD = at::embedding(effective_weight(weights_.embed_VD, embed_), ids_T).to(real_);
  if (embed_ == nullptr) return h_TD;
  const Part what = embed_->part(0);
  const auto* part = std::get_if<LowRank>(&what);
  if (part == nullptr) return h_TD;
  return h_TD + at::matmul(at::embedding(part->A_RI.t(), ids_T), part->whole_B().t()) * part->scale;
}

Tensor Decoder::norm(const Tensor& h_TD, Slot slot, int64_t layer) const {
  const auto i = static_cast<size_t>(layer);
  return rms_norm(h_TD, effective_weight(weights_.layers[i].vector[slot], layers_[i].slot[slot]), shape_.rms_eps, compute_);
}

Tensor Decoder::attend(const Tensor& normed_TD, int64_t layer, const Batch& batch, const RopeAngles& angles, const Forward& forward,
                       const Tensor& row_N) const {
  const auto i = static_cast<size_t>(layer);
  const AttentionBlock block{shape_, weights_.layers[i], layers_[i].slot, layer, forward.context, batch,
                             angles, forward.cache,      compute_,        row_N};
  return shape_.has_latent() ? latent_attention(normed_TD, block) : attention(normed_TD, block);
}

Tensor Decoder::dense_mlp(const Tensor& x_TD, const Tensor& scale_T1, bool shared, int64_t layer, const Forward& forward,
                          const Tensor& row_N) const {
  const auto i = static_cast<size_t>(layer);
  const Slot gate = shared ? Slot::shared_gate : Slot::dense_gate, up = shared ? Slot::shared_up : Slot::dense_up,
             down = shared ? Slot::shared_down : Slot::dense_down;
  const LayerWeights& w = weights_.layers[i];
  const SlotMap<const Adapter*>& a = layers_[i].slot;
  return mlp(x_TD, scale_T1, {w.matrix[gate], w.matrix[up], w.matrix[down], a[gate], a[up], a[down], gate, down}, layer, forward.context,
             compute_, row_N);
}

Tensor Decoder::with_shared(const Tensor& routed_TD, const Tensor& x_TD, int64_t layer, const Forward& forward, const Tensor& row_N) const {
  if (shape_.shared_width == 0) return routed_TD;
  const auto i = static_cast<size_t>(layer);
  Tensor scale_T1;
  if (shape_.shared_gated) {
    const Adapter* adapter = layers_[i].slot[Slot::shared_router];
    const Tensor low = adapter != nullptr ? adapter_input(x_TD, forward.context, layer, Slot::shared_router, row_N) : Tensor();
    const Compute exact{kernels::Math::full, compute_.saved};
    scale_T1 = at::sigmoid(adapted_linear(x_TD, low, {weights_.layers[i].matrix[Slot::shared_router], adapter}, exact));
  }
  return routed_TD + dense_mlp(x_TD, scale_T1, true, layer, forward, row_N);
}

Tensor Decoder::feed_forward(const Tensor& x_TD, int64_t layer, const Forward& forward) const {
  if (!shape_.routed(layer)) return dense_mlp(x_TD, {}, false, layer, forward, {});
  const auto i = static_cast<size_t>(layer);
  const Tensor routed =
      moe_block(x_TD, weights_.layers[i].moe, shape_.router, layers_[i].moe, layer, forward.context, forward.observers, compute_);
  return with_shared(routed, x_TD, layer, forward, {});
}

Tensor Decoder::run_layer(const Tensor& h_TD, int64_t layer, const Batch& batch, const RopeAngles& angles, const Forward& forward) const {
  const Tensor middle_TD = h_TD + attend(norm(h_TD, Slot::input_norm, layer), layer, batch, angles, forward);
  return middle_TD + feed_forward(norm(middle_TD, Slot::post_norm, layer), layer, forward);
}

namespace {

/// Takes a layer's routing out of a pass.
class RoutingCapture : public Observer {
 public:
  void on_route(int64_t, const Routing& routing) override { taken = routing; }
  Routing taken;
};

}  // namespace

Tensor Decoder::recomputed_layer(const Tensor& h_TD, int64_t layer, const Batch& batch, const RopeAngles& angles,
                                 const Forward& forward) const {
  const auto run = [this, layer, batch, angles, context = forward.context](const Tensor& x_TD) {
    RoutingCapture capture;
    Forward inner;
    inner.context = context;
    inner.observers = {&capture};
    const Tensor out = run_layer(x_TD, layer, batch, angles, inner);
    const Routing& routing = capture.taken;
    return routing.ids_TK.defined() ? std::vector<Tensor>{out, routing.logits_TE, routing.ids_TK, routing.weights_TK}
                                    : std::vector<Tensor>{out};
  };
  const std::vector<Tensor> out = recomputed(h_TD, run);
  if (out.size() > 1) {
    for (Observer* one : forward.observers) one->on_route(layer, {out[1], out[2], out[3]});
  }
  return out[0];
}

Tensor Decoder::hidden(const Batch& batch, const Forward& forward) const {
  Tensor h_TD = embed(batch.ids_T);
  if (forward.trace) forward.trace("embed", h_TD);
  const RopeAngles angles = rope_angles(batch.positions_T, shape_.rope_width(), shape_.rope, real_);
  for (int64_t layer = 0; layer < shape_.layers; ++layer) {
    if (layer + 1 == shape_.layers && forward.needed_N.defined()) return last_layer(h_TD, batch, angles, forward);
    // Below the lowest trainable layer there is no backward pass.
    const bool again = forward.recompute && at::GradMode::is_enabled() && (h_TD.requires_grad() || layers_[static_cast<size_t>(layer)].any);
    h_TD = again ? recomputed_layer(h_TD, layer, batch, angles, forward) : run_layer(h_TD, layer, batch, angles, forward);
    if (forward.trace) forward.trace(std::to_string(layer), h_TD);
  }
  return h_TD;
}

/// Only rows whose output somebody reads go through the experts, and, unless an observer watches the routing of all rows,
/// through the output projection and the router.
Tensor Decoder::last_layer(const Tensor& h_TD, const Batch& batch, const RopeAngles& angles, const Forward& forward) const {
  const int64_t layer = shape_.layers - 1;
  const Tensor& rows = forward.needed_N;
  const bool routed = shape_.routed(layer);
  const bool watched = routed && std::any_of(forward.observers.begin(), forward.observers.end(),
                                             [](const Observer* one) { return one->watches_all_rows(); });
  const Tensor attended = attend(norm(h_TD, Slot::input_norm, layer), layer, batch, angles, forward, watched ? Tensor() : rows);
  Tensor h_ND = (watched ? h_TD : h_TD.index_select(0, rows)) + attended;
  Tensor inner = norm(h_ND, Slot::post_norm, layer);
  if (!routed) return h_ND + dense_mlp(inner, {}, false, layer, forward, rows);
  const MoeWeights& w = weights_.layers.back().moe;
  const MoeAdapters& a = layers_.back().moe;
  Routing routing = route_rows(inner, w, shape_.router, a, layer, forward.context, compute_, watched ? Tensor() : rows);
  for (Observer* observer : forward.observers) observer->on_route(layer, routing);
  if (watched) {
    h_ND = h_ND.index_select(0, rows);
    inner = inner.index_select(0, rows);
    routing = {routing.logits_TE, routing.ids_TK.index_select(0, rows), routing.weights_TK.index_select(0, rows)};
  }
  const Tensor out = run_experts(inner, routing, w, shape_.router, a, layer, forward.context, compute_, rows);
  return h_ND + with_shared(out, inner, layer, forward, rows);
}

Tensor Decoder::final_hidden(const Tensor& h_ND) const {
  return rms_norm(h_ND, effective_weight(weights_.final_norm_D, final_norm_), shape_.rms_eps, compute_);
}

Tensor Decoder::logits(const Tensor& h_ND, const StepContext& context, const Tensor& row_N) const {
  const Tensor normed = final_hidden(h_ND);
  const Tensor low = lm_head_ != nullptr ? adapter_input(normed, context, -1, Slot::lm_head, row_N) : Tensor();
  // Tied embeddings that are trained in full act in both places.
  const bool tied =
      shape_.tied_embeddings && lm_head_ == nullptr && embed_ != nullptr && std::holds_alternative<OwnWeight>(embed_->part(0));
  return adapted_linear(normed, low, {weights_.lm_head, tied ? embed_ : lm_head_}, compute_);
}

std::unique_ptr<Decoder> load_decoder(const Checkpoint& checkpoint, const WeightDtypes& dtypes, const Compute& compute) {
  return load_decoder(checkpoint, dtypes, compute, {});
}

std::unique_ptr<Decoder> load_decoder(const Checkpoint& checkpoint, const WeightDtypes& dtypes, const Compute& compute,
                                      const LoadProgress& progress) {
  ModelShape shape = read_shape(checkpoint.config(), (checkpoint.folder() / "config.json").string());
  ModelWeights weights = load_weights(checkpoint, shape, dtypes, progress);
  return std::make_unique<Decoder>(std::move(shape), std::move(weights), dtypes.compute, compute);
}

std::string model_hash(const Decoder& decoder) { return model_hash(decoder.shape(), decoder.weights().content); }

}  // namespace hellora
