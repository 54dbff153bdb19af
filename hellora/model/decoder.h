// A decoder: frozen weights, optionally the adapters bound to them, and the forward pass.
#pragma once

#include <functional>

#include "hellora/adapters/adapter_set.h"
#include "hellora/model/attention.h"

namespace hellora {

/// Everything one forward pass may carry along.
struct Forward {
  StepContext context;
  std::vector<Observer*> observers;
  KvCache* cache = nullptr;
  bool recompute = false;  // layers keep their input alone and run again in the backward pass
  Tensor needed_N;         // ascending row numbers (int64): the last layer computes only these; undefined: all
  std::function<void(const std::string& name, const Tensor& value)> trace;  // golden tests: "embed", "0", "1", …
};

class Decoder {
 public:
  /// `real` is the type of activations: fp32, or fp64 for tests.
  Decoder(ModelShape shape, ModelWeights weights, at::ScalarType real = at::kFloat, const Compute& compute = {});
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  const ModelShape& shape() const { return shape_; }
  const ModelWeights& weights() const { return weights_; }

  /// Binds adapters (null: none). The set must outlive the binding.
  void bind(const AdapterSet* adapters);
  const AdapterSet* adapters() const { return adapters_; }

  /// Residual stream after the last layer, (T, D), before the final norm; or only the rows forward.needed_N of it.
  Tensor hidden(const Batch& batch, const Forward& forward) const;
  /// Rows of that stream after the final norm: what the head reads.
  Tensor final_hidden(const Tensor& h_ND) const;
  /// Logits (N, V) of rows of that stream: final norm, then the head. `row_N` (int64) names each row for dropout masks.
  Tensor logits(const Tensor& h_ND, const StepContext& context, const Tensor& row_N = {}) const;

 private:
  struct LayerAdapters {
    SlotMap<const Adapter*> slot;
    MoeAdapters moe;
    bool any = false;
  };
  Tensor embed(const Tensor& ids_T) const;
  Tensor attend(const Tensor& normed_TD, int64_t layer, const Batch& batch, const RopeAngles& angles, const Forward& forward,
                const Tensor& row_N = {}) const;
  Tensor norm(const Tensor& h_TD, Slot slot, int64_t layer) const;
  Tensor last_layer(const Tensor& h_TD, const Batch& batch, const RopeAngles& angles, const Forward& forward) const;
  /// One gated MLP of all rows: of a dense layer, or the shared experts of a routed one.
  Tensor dense_mlp(const Tensor& x_TD, const Tensor& scale_T1, bool shared, int64_t layer, const Forward& forward,
                   const Tensor& row_N) const;
  /// What the routed experts gave plus the shared ones, where the model has them.
  Tensor with_shared(const Tensor& routed_TD, const Tensor& x_TD, int64_t layer, const Forward& forward, const Tensor& row_N) const;
  Tensor feed_forward(const Tensor& x_TD, int64_t layer, const Forward& forward) const;
  Tensor run_layer(const Tensor& h_TD, int64_t layer, const Batch& batch, const RopeAngles& angles, const Forward& forward) const;
  /// run_layer without what its backward pass needs: that is computed again. Observers see the routing once.
  Tensor recomputed_layer(const Tensor& h_TD, int64_t layer, const Batch& batch, const RopeAngles& angles, const Forward& forward) const;
  LayerAdapters layer_adapters(int64_t layer) const;

  ModelShape shape_;
  ModelWeights weights_;
  at::ScalarType real_;
  Compute compute_;
  const AdapterSet* adapters_ = nullptr;
  const Adapter *embed_ = nullptr, *final_norm_ = nullptr, *lm_head_ = nullptr;
  std::vector<LayerAdapters> layers_;
};

/// Opens and loads a model directory.
std::unique_ptr<Decoder> load_decoder(const Checkpoint& checkpoint, const WeightDtypes& dtypes, const Compute& compute = {});

/// Identity of a model's content: shape and every weight as stored.
std::string model_hash(const Decoder& decoder);

}  // namespace hellora
