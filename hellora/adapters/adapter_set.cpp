#include "hellora/adapters/adapter_set.h"

#include "hellora/adapters/step_hooks.h"
#include "hellora/core/error.h"

namespace hellora {
namespace {

constexpr int64_t kAlign = 16;  // elements; 64 bytes of fp32

int64_t aligned(int64_t count) { return (count + kAlign - 1) / kAlign * kAlign; }

}  // namespace

AdapterSet::AdapterSet(std::vector<Site> sites, const AdapterConfig& config, uint64_t seed, const BaseWeight& base, at::ScalarType dtype,
                       Fill fill)
    : method_(&find_method(config.method)),
      config_(config),
      seed_(seed),
      sites_(std::move(sites)),
      specs_(method_->params(sites_, config_)) {
  lay_out(dtype);
  initialise(base, fill);
  if (fill == Fill::initial) enable_grad();
  bind();
}

void AdapterSet::lay_out(at::ScalarType dtype) {
  begins_.resize(specs_.size());
  const auto place = [&](int64_t from, const auto& belongs) {
    int64_t end = from;
    for (size_t i = 0; i < specs_.size(); ++i) {
      if (!belongs(specs_[i])) continue;
      begins_[i] = end;
      end = aligned(end + specs_[i].count());
    }
    return end;
  };
  int64_t end = 0;
  for (const bool decay : {true, false}) {
    const int64_t begin = end;
    end = place(begin, [decay](const ParamSpec& spec) { return spec.use == Use::trained && spec.decay == decay; });
    if (end > begin) ranges_.push_back({begin, end, decay});
  }
  flat_param_ = at::zeros({end}, at::TensorOptions(dtype));
  flat_frozen_ = at::zeros({place(0, [](const ParamSpec& spec) { return spec.use != Use::trained; })}, at::TensorOptions(dtype));
  for (size_t i = 0; i < specs_.size(); ++i) {
    const ParamSpec& spec = specs_[i];
    HELLORA_CHECK(index_.emplace(spec.name, i).second, "two parameters of one name");
    const Tensor& flat = trains(i) ? flat_param_ : flat_frozen_;
    params_.push_back(flat.narrow(0, begins_[i], spec.count()).view(spec.shape).detach());
    if (trains(i)) trainable_ += spec.count();
  }
}

void AdapterSet::enable_grad() {
  if (flat_grad_.defined()) return;
  flat_grad_ = at::zeros_like(flat_param_);
  for (size_t i = 0; i < specs_.size(); ++i) {
    if (!trains(i)) continue;
    params_[i].requires_grad_(true);
    params_[i].mutable_grad() = grad(i);  // autograd accumulates in place, the alias survives
  }
}

Tensor AdapterSet::grad(size_t i) const {
  HELLORA_CHECK(trains(i) && flat_grad_.defined(), "only trained parameters have gradients");
  return flat_grad_.narrow(0, begins_[i], specs_[i].count()).view(specs_[i].shape);
}

const Tensor& AdapterSet::param(const std::string& name) const {
  const auto it = index_.find(name);
  HELLORA_CHECK(it != index_.end(), "a parameter that the method has not declared");
  return params_[it->second];
}

void AdapterSet::initialise(const BaseWeight& base, Fill fill) {
  const at::NoGradGuard no_grad;
  const auto lookup = [this](const std::string& name) -> const Tensor& { return param(name); };
  for (size_t i = 0; i < specs_.size(); ++i) {
    if (fill == Fill::stored && specs_[i].use != Use::seeded) continue;
    specs_[i].init(params_[i], {seed_, specs_[i].name, base, lookup});
  }
}

void AdapterSet::bind() {
  const Lookup lookup = [this](const std::string& name) -> const Tensor& { return param(name); };
  for (const Site& site : sites_) adapters_.push_back(method_->make(site, config_, lookup));
}

int64_t AdapterSet::learning() const { return method_->learning != nullptr ? method_->learning(trainable_, config_) : trainable_; }

std::unique_ptr<StepHooks> AdapterSet::hooks() { return method_->hooks != nullptr ? method_->hooks(*this) : std::make_unique<StepHooks>(); }

const Adapter* AdapterSet::find(int64_t layer, Slot slot) const {
  for (size_t s = 0; s < sites_.size(); ++s) {
    if (sites_[s].layer == layer && sites_[s].slot == slot) return adapters_[s].get();
  }
  return nullptr;
}

const Site* AdapterSet::find_site(int64_t layer, Slot slot) const {
  for (const Site& site : sites_) {
    if (site.layer == layer && site.slot == slot) return &site;
  }
  return nullptr;
}

std::vector<int64_t> AdapterSet::hot_experts(int64_t layer) const {
  for (const Slot slot : {Slot::gate, Slot::up, Slot::down}) {
    const Site* site = find_site(layer, slot);
    if (site == nullptr) continue;
    std::vector<int64_t> experts;
    for (const SiteMember& member : site->members) experts.push_back(member.expert);
    return experts;
  }
  return {};
}

}  // namespace hellora
