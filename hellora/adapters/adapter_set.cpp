#include "hellora/adapters/adapter_set.h"

#include <cmath>
#include <numbers>

#include "hellora/core/error.h"
#include "hellora/core/rng.h"

namespace hellora {
namespace {

constexpr int64_t kAlign = 16;  // elements; 64 bytes of fp32

int64_t aligned(int64_t count) { return (count + kAlign - 1) / kAlign * kAlign; }

double initial_value(const ParamSpec& spec, RngKey key, int64_t i) {
  const auto position = static_cast<uint64_t>(i);
  if (spec.init == Init::uniform) return (2 * unit_double(key, position) - 1) / std::sqrt(static_cast<double>(spec.fan_in));
  // Box-Muller over two numbers of its own
  const double radius = std::sqrt(-2 * std::log(1 - unit_double(key, 2 * position)));
  return radius * std::cos(2 * std::numbers::pi * unit_double(key, 2 * position + 1));
}

}  // namespace

AdapterSet::AdapterSet(std::vector<Site> sites, const AdapterConfig& config, uint64_t seed, const BaseWeight& base, at::ScalarType dtype)
    : method_(&find_method(config.method)), config_(config), sites_(std::move(sites)), specs_(method_->params(sites_, config_)) {
  lay_out(dtype);
  initialise(seed, base);
  bind();
}

void AdapterSet::lay_out(at::ScalarType dtype) {
  begins_.resize(specs_.size());
  int64_t end = 0;
  for (const bool decay : {true, false}) {
    for (size_t i = 0; i < specs_.size(); ++i) {
      if (specs_[i].decay != decay) continue;
      begins_[i] = end;
      end = aligned(end + specs_[i].count());
      trainable_ += specs_[i].count();
    }
    if (decay) decay_end_ = end;
  }
  flat_param_ = at::zeros({end}, at::TensorOptions(dtype));
  flat_grad_ = at::zeros_like(flat_param_);
  for (size_t i = 0; i < specs_.size(); ++i) {
    Tensor view = flat_param_.narrow(0, begins_[i], specs_[i].count()).view(specs_[i].shape).detach();
    view.requires_grad_(true);
    view.mutable_grad() = grad(i);  // autograd accumulates in place, the alias survives
    params_.push_back(std::move(view));
  }
}

Tensor AdapterSet::grad(size_t i) const { return flat_grad_.narrow(0, begins_[i], specs_[i].count()).view(specs_[i].shape); }

void AdapterSet::initialise(uint64_t seed, const BaseWeight& base) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < specs_.size(); ++i) {
    const ParamSpec& spec = specs_[i];
    if (spec.init == Init::zeros) continue;
    Tensor target = flat_param_.narrow(0, begins_[i], spec.count());
    if (spec.init == Init::base) {
      target.copy_(base(spec.name).reshape({-1}));
      continue;
    }
    const RngKey key = make_key(seed, hash_text("init"), hash_text(spec.name));
    Tensor values = at::empty({spec.count()}, at::TensorOptions(at::kDouble));
    double* data = values.data_ptr<double>();
    for (int64_t e = 0; e < spec.count(); ++e) data[e] = initial_value(spec, key, e);
    target.copy_(values);
  }
}

void AdapterSet::bind() {
  std::vector<std::vector<Tensor>> views(sites_.size());
  for (size_t i = 0; i < specs_.size(); ++i) views[specs_[i].site].push_back(params_[i]);
  for (size_t s = 0; s < sites_.size(); ++s) adapters_.push_back(method_->make(sites_[s], config_, views[s]));
}

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
