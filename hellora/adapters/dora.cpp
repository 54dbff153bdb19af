// DoRA: a trained magnitude for each output row, over the direction of W + s · B A: y = m / SG[n] ⊙ (W + s B A) x, n its row norms
// (Liu et al. 2024; as in Hugging Face PEFT). With dropout only what the adapter adds reads the dropped input.
#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"
#include "hellora/core/error.h"
#include "hellora/tensor/frozen.h"
#include "hellora/tensor/grouped_linear.h"

namespace hellora {
namespace {

std::string name_of_magnitude(const SiteMember& one) { return one.path + ".lora_magnitude_vector"; }

class Dora : public Adapter {
 public:
  Dora(const Site& site, const AdapterConfig& config, const Lookup& param) : Adapter(site) {
    for (size_t m = 0; m < site.members.size(); ++m) {
      const SiteMember& one = site.members[m];
      parts_.push_back(
          {param(name_of_A(site, m)), param(name_of_B(site, m)), param(name_of_magnitude(one)), config.scale(one.rank, one.alpha)});
    }
    squares_.resize(parts_.size());
  }

  Part part(size_t m) const override {
    const Triple& p = parts_[m];
    return Scaled{{p.A_RI, p.B_OR, p.scale}, [this, m](const kernels::Packed& frozen) { return parts_[m].m_O / norms(frozen, m); }};
  }

  bool additive() const override { return false; }

  Tensor adapted_rows(const Tensor& base_rows, int64_t first, size_t m) const override {
    const at::NoGradGuard no_grad;
    const Triple& p = parts_[m];
    const auto wide = base_rows.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const int64_t rows = base_rows.size(0);
    const Tensor v = base_rows.to(wide) + at::matmul(p.B_OR.narrow(0, first, rows), p.A_RI).to(wide) * p.scale;
    return v * (p.m_O.narrow(0, first, rows).to(wide) / v.square().sum(1).sqrt()).unsqueeze(1);
  }

 private:
  struct Triple {
    Tensor A_RI, B_OR, m_O;
    double scale;
  };

  /// ‖W‖² of each row, kept for the weight that it was taken of: frozen weights do not change.
  struct Squares {
    const void* of = nullptr;
    Tensor sum_O;
  };

  /// ‖W + s B A‖ of each row without forming it: ‖W‖² + 2 s B·(W Aᵀ) + s² B (A Aᵀ) Bᵀ. A constant for the gradient.
  Tensor norms(const kernels::Packed& frozen, size_t m) const {
    const at::NoGradGuard no_grad;  // a constant for the gradient
    const Triple& p = parts_[m];
    Squares& squares = squares_[m];
    if (squares.of != frozen.data) squares = {frozen.data, dense(frozen).square().sum(1)};
    const Tensor wa_RO = linear(p.A_RI, frozen, {});
    const Tensor gram_RR = at::matmul(p.A_RI, p.A_RI.t());
    const Tensor sum_O =
        squares.sum_O + (p.B_OR * wa_RO.t()).sum(1) * (2 * p.scale) + (at::matmul(p.B_OR, gram_RR) * p.B_OR).sum(1) * (p.scale * p.scale);
    return sum_O.clamp_min(0).sqrt();
  }

  std::vector<Triple> parts_;
  mutable std::vector<Squares> squares_;
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  for (const Site& site : sites) require_matrix(site, config);
  std::vector<ParamSpec> specs = pair_params(sites, config, Use::trained);
  for (size_t s = 0; s < sites.size(); ++s) {
    for (size_t m = 0; m < sites[s].members.size(); ++m) {
      const auto norm = [parameter = sites[s].parameter(m)](const Tensor& out, const InitContext& context) {
        const Tensor w_OI = context.base(parameter);
        out.copy_(w_OI.to(w_OI.scalar_type() == at::kDouble ? at::kDouble : at::kFloat).square().sum(1).sqrt());
      };
      specs.push_back({name_of_magnitude(sites[s].members[m]), {sites[s].out}, norm, Place{s, m}});
    }
  }
  return specs;
}

}  // namespace

extern const Method kDora = {
    .name = "dora",
    .summary = "LoRA on the direction of each row, and a trained magnitude",
    .source = "Liu et al. 2024, arXiv 2402.09353",
    .status = "PEFT",
    .starts_as_base = false,  // but for rounding
    .exact_gradient = false,  // the norms count as constants
    .peft_type = "LORA",
    .peft_keys =
        [](const AdapterSet&, Json* file) {
          (*file)["use_dora"] = true;
          return true;
        },
    .params = params,
    .make = make_adapter<Dora>,
    .composed = true,
};

}  // namespace hellora
