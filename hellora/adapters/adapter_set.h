// All adapters of a model over flat state: trained parameters are views of one buffer, their gradients of another, frozen ones of a third.
#pragma once

#include "hellora/adapters/method.h"

namespace hellora {

/// How a set begins: with the values that its method starts with, or with those of a file, which the caller puts in; what is made
/// from the seed is made either way.
enum class Fill : uint8_t { initial, stored };

/// A run of the flat trained state, for the optimizer.
struct ParamRange {
  int64_t begin = 0, end = 0;  // elements
  bool decay = true;           // whether weight decay applies
};

/// Owns the flat buffers. Views start at multiples of 64 bytes; parameters without weight decay come last.
class AdapterSet {
 public:
  /// `dtype` is fp32, or fp64 for tests. Values start as their ParamSpec says, as a function of (seed, name) and of the base alone.
  AdapterSet(std::vector<Site> sites, const AdapterConfig& config, uint64_t seed, const BaseWeight& base, at::ScalarType dtype = at::kFloat,
             Fill fill = Fill::initial);
  AdapterSet(const AdapterSet&) = delete;
  AdapterSet& operator=(const AdapterSet&) = delete;

  const Method& method() const { return *method_; }
  const AdapterConfig& config() const { return config_; }
  uint64_t seed() const { return seed_; }
  const std::vector<Site>& sites() const { return sites_; }
  const std::vector<ParamSpec>& specs() const { return specs_; }

  /// The adapter at a place, or null. `layer` is -1 outside the decoder layers.
  const Adapter* find(int64_t layer, Slot slot) const;
  const Site* find_site(int64_t layer, Slot slot) const;
  /// Expert ids in the order of the site's members; empty when the layer has no adapted expert.
  std::vector<int64_t> hot_experts(int64_t layer) const;

  bool trains(size_t i) const { return specs_[i].use == Use::trained; }
  const Tensor& param(size_t i) const { return params_[i]; }  // a view of specs()[i].shape; a leaf where it is trained
  const Tensor& param(const std::string& name) const;
  Tensor grad(size_t i) const;                                // view of the flat gradient, of a trained parameter
  const Tensor& flat_param() const { return flat_param_; }    // 1-D, trained parameters
  const Tensor& flat_frozen() const { return flat_frozen_; }  // 1-D, the others
  /// 1-D. It comes to be when gradients are first asked for: a set that is only used has none.
  const Tensor& flat_grad() const { return flat_grad_; }
  void enable_grad();
  const std::vector<ParamRange>& ranges() const { return ranges_; }
  int64_t trainable() const { return trainable_; }  // elements that train, without padding
  int64_t learning() const;                         // the same without what the method keeps from learning
  /// What the method does in each step of a training of this set.
  std::unique_ptr<StepHooks> hooks();

 private:
  void lay_out(at::ScalarType dtype);
  void initialise(const BaseWeight& base, Fill fill);
  void bind();

  const Method* method_;
  AdapterConfig config_;
  uint64_t seed_;
  std::vector<Site> sites_;
  std::vector<ParamSpec> specs_;
  std::map<std::string, size_t> index_;  // of each name
  std::vector<int64_t> begins_;          // offset of each parameter in its flat buffer
  std::vector<Tensor> params_;
  std::vector<std::unique_ptr<Adapter>> adapters_;  // one per site
  Tensor flat_param_, flat_frozen_, flat_grad_;
  std::vector<ParamRange> ranges_;
  int64_t trainable_ = 0;
};

}  // namespace hellora
