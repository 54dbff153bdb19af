// LoRA: y = x Wᵀ + scale · (x Aᵀ) Bᵀ, A uniform, B zero (Hu et al. 2021; file layout of Hugging Face PEFT).
#include "hellora/adapters/method.h"
#include "hellora/core/error.h"

namespace hellora {
namespace {

// PEFT stores an embedding's pair as A (R, V) starting at zero and B (H, R) starting normal.
bool is_embedding(const Site& site) { return site.slot == Slot::embed; }

class Lora : public Adapter {
 public:
  Lora(const Site& site, const AdapterConfig& config, std::span<const Tensor> views) : embedding_(is_embedding(site)) {
    for (size_t m = 0; m < site.members.size(); ++m) {
      parts_.push_back({views[2 * m], views[2 * m + 1], config.scale(site.members[m].rank, site.members[m].alpha)});
    }
  }

  const LowRank* low_rank(size_t m) const override { return &parts_[m]; }

  Tensor apply(const Tensor& x_NI, const Tensor& base_y_NO, size_t m) const override {
    const LowRank& part = parts_[m];
    return base_y_NO + at::matmul(at::matmul(x_NI, part.A_RI.t()), part.B_OR.t()) * part.scale;
  }

  Tensor adapted_weight(const Tensor& base_OI, size_t m) const override {
    const LowRank& part = parts_[m];
    const at::NoGradGuard no_grad;
    const auto dtype = base_OI.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const Tensor change = at::matmul(part.B_OR, part.A_RI).to(dtype) * part.scale;
    return base_OI.to(dtype) + (embedding_ ? change.t() : change);  // an embedding's weight is (V, H)
  }

 private:
  bool embedding_;
  std::vector<LowRank> parts_;
};

}  // namespace

std::vector<ParamSpec> lora_params(std::span<const Site> sites, const AdapterConfig&) {
  std::vector<ParamSpec> specs;
  for (size_t s = 0; s < sites.size(); ++s) {
    const Site& site = sites[s];
    if (is_vector_slot(site.slot)) {
      throw ConfigError("adapter.targets: " + std::string(target_of(site.slot)) +
                        " has no low-rank form; train it with adapter.method full");
    }
    for (size_t m = 0; m < site.members.size(); ++m) {
      const SiteMember& one = site.members[m];
      const bool embed = is_embedding(site);
      specs.push_back({one.path + (embed ? ".lora_embedding_A" : ".lora_A.weight"),
                       {one.rank, site.in},
                       embed ? Init::zeros : Init::uniform,
                       site.in,
                       true,
                       s,
                       m});
      specs.push_back({one.path + (embed ? ".lora_embedding_B" : ".lora_B.weight"),
                       {site.out, one.rank},
                       embed ? Init::normal : Init::zeros,
                       one.rank,
                       true,
                       s,
                       m});
    }
  }
  return specs;
}

std::unique_ptr<Adapter> make_lora(const Site& site, const AdapterConfig& config, std::span<const Tensor> views) {
  HELLORA_CHECK(views.size() == 2 * site.members.size(), "LoRA has two tensors per member");
  return std::make_unique<Lora>(site, config, views);
}

}  // namespace hellora
