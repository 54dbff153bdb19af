#include "hellora/train/first_gradients.h"

#include "hellora/core/error.h"
#include "hellora/model/loss.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

constexpr std::string_view kGradient = ".grad";

/// Weights of these sites as trainable copies.
AdapterSet trainable_weights(const std::vector<Site>& sites, const BaseWeight& base) {
  AdapterConfig config;
  config.method = "full";
  return AdapterSet(sites, config, 0, base);
}

}  // namespace

FirstGradients::FirstGradients(Decoder& decoder, std::vector<Site> sites, const Dataset& data, const PackingRule& rule, uint64_t seed,
                               int64_t samples, BaseWeight base)
    : decoder_(decoder), sites_(std::move(sites)), data_(data), rule_(rule), seed_(seed), samples_(samples), base_(std::move(base)) {
  for (const Site& site : sites_) {
    for (size_t m = 0; m < site.members.size(); ++m) layer_of_[site.parameter(m)] = site.layer;
  }
}

Tensor FirstGradients::of(const std::string& parameter) {
  if (!taken_.contains(parameter)) {
    const auto it = layer_of_.find(parameter);
    HELLORA_CHECK(it != layer_of_.end(), "gradients are taken of adapted weights only");
    take_layer(it->second);
  }
  return taken_.at(parameter);
}

void FirstGradients::take_layer(int64_t layer) {
  std::vector<Site> sites;
  for (const Site& site : sites_) {
    if (site.layer == layer) sites.push_back(site);
  }
  const at::AutoGradMode with_grad(true);
  const AdapterSet weights = trainable_weights(sites, base_);
  decoder_.bind(&weights);
  int64_t seen = 0;
  for (const std::vector<int64_t>& examples : epoch_batches(data_, rule_, seed_, 0)) {
    if (seen >= samples_) break;
    stop_if_interrupted("");
    const PackedBatch batch = pack(data_, examples);
    const Supervised rows = supervised_rows(batch.targets);
    const Tensor h = decoder_.hidden(to_batch(batch), {});
    Tensor dh;
    backward_loss(decoder_, h, rows, 1 / static_cast<double>(std::max<int64_t>(1, batch.supervised)), {}, &dh);
    if (h.requires_grad()) torch::autograd::backward({h}, {dh});
    seen += static_cast<int64_t>(examples.size());
  }
  decoder_.bind(nullptr);
  taken_.clear();
  for (size_t p = 0; p < weights.specs().size(); ++p) taken_[weights.specs()[p].name] = weights.grad(p).clone();
}

BaseWeight with_gradients(BaseWeight base, std::shared_ptr<FirstGradients> gradients) {
  return [base = std::move(base), gradients = std::move(gradients)](const std::string& name) {
    return name.ends_with(kGradient) ? gradients->of(name.substr(0, name.size() - kGradient.size())) : base(name);
  };
}

}  // namespace hellora
