// HiRA: the change of a weight is the weight itself times a low-rank matrix, element by element: y = (W + W ⊙ (B A)) x (Huang et al.
// 2025; as in Hugging Face PEFT). Its rank is not bounded by the pair's.
#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"
#include "hellora/tensor/frozen.h"
#include "hellora/tensor/held.h"

namespace hellora {
namespace {

/// x (W ⊙ (B A))ᵀ. Matrices of the weight's size live in one direction only; they are made again for the other.
class Hadamard : public torch::autograd::Function<Hadamard> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x_NI, const Tensor& a_RI, const Tensor& b_OR,
                        const kernels::Packed& frozen, const Compute& compute) {
    ctx->save_for_backward({compute.keep(x_NI), a_RI, b_OR});
    hold(ctx, frozen);
    return at::matmul(x_NI, change_of(frozen, a_RI, b_OR).t());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &a_RI = saved[1], &b_OR = saved[2], &dy_NO = grads[0];
    const auto& frozen = held<kernels::Packed>(ctx);
    const Tensor dx_NI = at::matmul(dy_NO, change_of(frozen, a_RI, b_OR));
    const Tensor g_OI = at::matmul(dy_NO.t(), restore(saved[0], dy_NO.scalar_type())) * weight_of(frozen, a_RI);
    return {dx_NI, at::matmul(b_OR.t(), g_OI), at::matmul(g_OI, a_RI.t()), Tensor(), Tensor()};
  }

 private:
  static Tensor weight_of(const kernels::Packed& frozen, const Tensor& like) { return dense(frozen).to(like.scalar_type()); }
  static Tensor change_of(const kernels::Packed& frozen, const Tensor& a_RI, const Tensor& b_OR) {
    return at::matmul(b_OR, a_RI).mul_(weight_of(frozen, a_RI));
  }
};

class Hira : public Adapter {
 public:
  Hira(const Site& site, const AdapterConfig&, const Lookup& param) : Adapter(site) {
    for (const SiteMember& one : site.members) parts_.push_back({param(one.path + ".hira_A"), param(one.path + ".hira_B")});
  }

  Part part(size_t) const override { return General{}; }

  Tensor apply(const BaseCall& call, size_t m) const override {
    const Tensor& x_NI = call.x_low_NI.defined() ? call.x_low_NI : call.x_NI;
    return call.y_NO + Hadamard::apply(x_NI, parts_[m].A_RI, parts_[m].B_OR, call.frozen, call.compute);
  }

  bool additive() const override { return false; }

  Tensor adapted_rows(const Tensor& base_rows, int64_t first, size_t m) const override {
    const at::NoGradGuard no_grad;
    const auto wide = base_rows.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const Tensor w = base_rows.to(wide);
    return w + w * at::matmul(parts_[m].B_OR.narrow(0, first, w.size(0)), parts_[m].A_RI).to(wide);
  }

 private:
  struct Pair {
    Tensor A_RI, B_OR;
  };
  std::vector<Pair> parts_;
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  std::vector<ParamSpec> specs;
  for (size_t s = 0; s < sites.size(); ++s) {
    require_matrix(sites[s], config);
    for (size_t m = 0; m < sites[s].members.size(); ++m) {
      const SiteMember& one = sites[s].members[m];
      specs.push_back({one.path + ".hira_A", {one.rank, sites[s].in}, init::kaiming(sites[s].in), Place{s, m}});
      specs.push_back({one.path + ".hira_B", {sites[s].out, one.rank}, init::zeros(), Place{s, m}});
    }
  }
  return specs;
}

}  // namespace

extern const Method kHira = {
    .name = "hira",
    .summary = "the weight times a low-rank matrix, element by element: a change of high rank",
    .source = "Huang et al. 2025, HiRA (ICLR)",
    .status = "PEFT",
    .scale = ScaleLaw::one,
    .peft_type = "HIRA",
    .peft_keys =
        [](const AdapterSet& adapters, Json* file) {
          file->erase("bias");  // a key that this type of PEFT's does not have
          (*file)["r"] = adapters.config().rank;
          (*file)["hira_dropout"] = adapters.config().dropout;
          return true;
        },
    .params = params,
    .make = make_adapter<Hira>,
    .composed = true,
};

}  // namespace hellora
