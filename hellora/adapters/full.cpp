// Full training: a trainable fp32 copy takes the frozen weight's place.
#include "hellora/adapters/row.h"

namespace hellora {
namespace {

class Full : public Adapter {
 public:
  Full(const Site& site, const AdapterConfig&, const Lookup& param) : Adapter(site) {
    for (size_t m = 0; m < site.members.size(); ++m) weights_.push_back(param(site.parameter(m)));
  }

  Part part(size_t m) const override { return OwnWeight{weights_[m]}; }

 private:
  std::vector<Tensor> weights_;
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig&) {
  std::vector<ParamSpec> specs;
  for (size_t s = 0; s < sites.size(); ++s) {
    const Site& site = sites[s];
    const bool vector = is_vector_slot(site.slot);
    for (size_t m = 0; m < site.members.size(); ++m) {
      std::vector<int64_t> shape = vector ? std::vector<int64_t>{site.out} : std::vector<int64_t>{site.out, site.in};
      specs.push_back({.name = site.parameter(m),
                       .shape = std::move(shape),
                       .init = init::base(site.parameter(m)),
                       .place = Place{s, m},
                       .decay = !vector});
    }
  }
  return specs;
}

}  // namespace

extern const Method kFull = {
    .name = "full",
    .summary = "train the targeted weights themselves; the result is a model directory",
    .source = "ordinary fine-tuning",
    .status = "transformers",
    .makes_adapter = false,
    .params = params,
    .make = make_adapter<Full>,
};

}  // namespace hellora
