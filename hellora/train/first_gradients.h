// The gradients of frozen weights before the first step, for methods that start from them.
#pragma once

#include <map>

#include "hellora/data/packing.h"
#include "hellora/model/decoder.h"

namespace hellora {

/// Sums of ∂loss/∂W over the first examples of the training's first epoch, for the weights of these sites. One layer is worked on at a
/// time, so that no more than its adapted weights and their gradients are in memory. The decoder must outlive it and ends unbound.
class FirstGradients {
 public:
  FirstGradients(Decoder& decoder, std::vector<Site> sites, const Dataset& data, const PackingRule& rule, uint64_t seed, int64_t samples,
                 BaseWeight base);
  /// (out, in) in fp32, of a parameter of one of the sites. Throws Interrupted after a Ctrl-C.
  Tensor of(const std::string& parameter);

 private:
  void take_layer(int64_t layer);

  Decoder& decoder_;
  std::vector<Site> sites_;
  const Dataset& data_;
  PackingRule rule_;
  uint64_t seed_;
  int64_t samples_;
  BaseWeight base_;
  std::map<std::string, int64_t> layer_of_;  // of each parameter
  std::map<std::string, Tensor> taken_;      // of one layer
};

/// A reader of weights that answers "….weight.grad" too.
BaseWeight with_gradients(BaseWeight base, std::shared_ptr<FirstGradients> gradients);

}  // namespace hellora
