// Full training: a trainable fp32 copy takes the frozen weight's place.
#include "hellora/adapters/method.h"
#include "hellora/core/error.h"

namespace hellora {
namespace {

class Full : public Adapter {
 public:
  explicit Full(std::span<const Tensor> views) : weights_(views.begin(), views.end()) {}

  const Tensor* weight(size_t m) const override { return &weights_[m]; }

  Tensor apply(const Tensor& x_NI, const Tensor&, size_t m) const override { return at::matmul(x_NI, weights_[m].t()); }

  Tensor adapted_weight(const Tensor& base_OI, size_t m) const override {
    const at::NoGradGuard no_grad;
    return weights_[m].to(base_OI.scalar_type() == at::kDouble ? at::kDouble : at::kFloat).clone();
  }

 private:
  std::vector<Tensor> weights_;
};

}  // namespace

std::vector<ParamSpec> full_params(std::span<const Site> sites, const AdapterConfig&) {
  std::vector<ParamSpec> specs;
  for (size_t s = 0; s < sites.size(); ++s) {
    const Site& site = sites[s];
    const bool vector = is_vector_slot(site.slot);
    for (size_t m = 0; m < site.members.size(); ++m) {
      std::vector<int64_t> shape = vector ? std::vector<int64_t>{site.out} : std::vector<int64_t>{site.out, site.in};
      specs.push_back({site.parameter(m), std::move(shape), Init::base, site.in, !vector, s, m});
    }
  }
  return specs;
}

std::unique_ptr<Adapter> make_full(const Site& site, const AdapterConfig&, std::span<const Tensor> views) {
  HELLORA_CHECK(views.size() == site.members.size(), "full training has one tensor per member");
  return std::make_unique<Full>(views);
}

}  // namespace hellora
