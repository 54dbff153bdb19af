// LoRA: y = x Wᵀ + scale · (x Aᵀ) Bᵀ, A uniform, B zero (Hu et al. 2021; file layout of Hugging Face PEFT). rsLoRA is the same with
// scale alpha / √r, LoRA-FA with a frozen A.
#include "hellora/adapters/lora.h"

#include "hellora/core/error.h"

namespace hellora {
namespace {

class Lora : public Adapter {
 public:
  Lora(const Site& site, const AdapterConfig& config, const Lookup& param) : Adapter(site) {
    for (size_t m = 0; m < site.members.size(); ++m) {
      parts_.push_back({param(name_of_A(site, m)), param(name_of_B(site, m)), config.scale(site.members[m].rank, site.members[m].alpha)});
    }
  }

  Part part(size_t m) const override { return parts_[m]; }

 private:
  std::vector<LowRank> parts_;
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) { return pair_params(sites, config, Use::trained); }

}  // namespace

std::unique_ptr<Adapter> make_pairs(const Site& site, const AdapterConfig& config, const Lookup& param) {
  return std::make_unique<Lora>(site, config, param);
}

void require_matrix(const Site& site, const AdapterConfig& config) {
  require_linear(site);
  if (site.slot != Slot::embed) return;
  throw ConfigError("adapter.targets: embed: adapter.method " + config.method + " has no form for an embedding; leave it out");
}

void require_one_rank(const Site& site, const AdapterConfig& config) {
  for (const SiteMember& one : site.members) {
    if (one.rank == config.rank) continue;
    throw ConfigError("plan: " + one.path + " has rank " + std::to_string(one.rank) + ", but adapter.method " + config.method +
                      " shares its factors and has one rank, adapter.rank (" + std::to_string(config.rank) + ")");
  }
}

void require_no_dropout(const AdapterConfig& config) {
  if (config.dropout > 0) throw ConfigError("adapter.dropout: adapter.method " + config.method + " has no dropout; leave it out or at 0");
}

void require_linear(const Site& site) {
  if (!is_vector_slot(site.slot)) return;
  throw ConfigError("adapter.targets: " + std::string(target_of(site.slot)) + " has no low-rank form; train it with adapter.method full");
}

std::string name_of_A(const Site& site, size_t member) {
  return site.members[member].path + (site.slot == Slot::embed ? ".lora_embedding_A" : ".lora_A.weight");
}

std::string name_of_B(const Site& site, size_t member) {
  return site.members[member].path + (site.slot == Slot::embed ? ".lora_embedding_B" : ".lora_B.weight");
}

std::vector<ParamSpec> pair_params(std::span<const Site> sites, const AdapterConfig&, Use a) {
  std::vector<ParamSpec> specs;
  for (size_t s = 0; s < sites.size(); ++s) {
    const Site& site = sites[s];
    require_linear(site);
    const bool embed = site.slot == Slot::embed;
    for (size_t m = 0; m < site.members.size(); ++m) {
      const int64_t rank = site.members[m].rank;
      specs.push_back({name_of_A(site, m), {rank, site.in}, embed ? init::zeros() : init::kaiming(site.in), Place{s, m}, a});
      specs.push_back({name_of_B(site, m), {site.out, rank}, embed ? init::normal(1) : init::zeros(), Place{s, m}});
    }
  }
  return specs;
}

extern const Method kLora = {
    .name = "lora",
    .summary = "low-rank pairs beside frozen weights",
    .source = "Hu et al. 2021, arXiv 2106.09685",
    .status = "PEFT",
    .peft_type = "LORA",
    .pairs = true,
    .params = params,
    .make = make_pairs,
};

extern const Method kRsLora = {
    .name = "rslora",
    .summary = "LoRA with scale alpha / √rank, for high ranks",
    .source = "Kalajdzievski 2023, arXiv 2312.03732",
    .status = "PEFT",
    .scale = ScaleLaw::root_rank,
    .peft_type = "LORA",
    .pairs = true,
    .params = params,
    .make = make_pairs,
};

}  // namespace hellora
