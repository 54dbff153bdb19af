// All adapters of a model over one flat trainable state: parameters are views of one buffer, gradients of another.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hellora/adapters/method.h"

namespace hellora {

/// Returns the frozen weight (fp32 or fp64) of the given module path plus ".weight", for Init::base.
using BaseWeight = std::function<Tensor(const std::string& name)>;

/// Owns the flat buffers. Views start at multiples of 64 bytes; parameters without weight decay come last.
class AdapterSet {
 public:
  /// `dtype` is fp32, or fp64 for tests. Values start as their ParamSpec says, as a function of (seed, name) alone.
  AdapterSet(std::vector<Site> sites, const AdapterConfig& config, uint64_t seed, const BaseWeight& base,
             at::ScalarType dtype = at::kFloat);
  AdapterSet(const AdapterSet&) = delete;
  AdapterSet& operator=(const AdapterSet&) = delete;

  const Method& method() const { return *method_; }
  const AdapterConfig& config() const { return config_; }
  const std::vector<Site>& sites() const { return sites_; }
  const std::vector<ParamSpec>& specs() const { return specs_; }

  /// The adapter at a place, or null. `layer` is -1 outside the decoder layers.
  const Adapter* find(int64_t layer, Slot slot) const;
  const Site* find_site(int64_t layer, Slot slot) const;
  /// Expert ids in the order of the site's members; empty when the layer has no adapted expert.
  std::vector<int64_t> hot_experts(int64_t layer) const;

  const Tensor& param(size_t i) const { return params_[i]; }  // leaf view, shape of specs()[i]
  Tensor grad(size_t i) const;                                // view of the flat gradient
  const Tensor& flat_param() const { return flat_param_; }    // 1-D
  const Tensor& flat_grad() const { return flat_grad_; }      // 1-D
  int64_t decay_end() const { return decay_end_; }            // flat elements [0, decay_end) take weight decay
  int64_t trainable() const { return trainable_; }            // elements, without padding

 private:
  void lay_out(at::ScalarType dtype);
  void initialise(uint64_t seed, const BaseWeight& base);
  void bind();

  const Method* method_;
  AdapterConfig config_;
  std::vector<Site> sites_;
  std::vector<ParamSpec> specs_;
  std::vector<int64_t> begins_;  // flat offset of each parameter
  std::vector<Tensor> params_;
  std::vector<std::unique_ptr<Adapter>> adapters_;  // one per site
  Tensor flat_param_, flat_grad_;
  int64_t decay_end_ = 0, trainable_ = 0;
};

}  // namespace hellora
