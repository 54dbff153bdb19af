// LoRA-SB: LoRA-XS's form between the singular vectors of the first update: ΔW₀ = −η sign(G), G the gradient of the weight over the first
// examples, ΔW₀ ≈ U diag(S) Vᵀ; A = Vᵀ and B = U stay, R begins as diag(S) (Ponkshe et al. 2024; laws of RaghavSinghal10/lora-sb). The
// base is not corrected: the first output is that of one step of sign descent, in rank r. An expert that no example reaches has no
// gradient; it takes its weight's singular vectors and R = 0.
#include "hellora/adapters/from_weight.h"
#include "hellora/adapters/row.h"
#include "hellora/tensor/one_thread.h"

namespace hellora {
namespace {

constexpr const char* kName = "lora_sb";
constexpr const char* kPrefix = "sb";

struct Settings {
  int64_t iterations = 10;
  double eta = 5e-6;

  std::vector<Field> fields() {
    return {int_field("adapter.lora_sb.iterations", &iterations, 0, 1000, "lora_sb: power iterations of the singular values; 0: exactly"),
            double_field("adapter.lora_sb.eta", &eta, 1e-12, 1,
                         "lora_sb: length of the first step; the authors take lr / (warm-up share x steps)")};
  }
};

/// −η sign(G); undefined where there is no gradient at all.
Tensor first_update(const std::string& parameter, double eta, const InitContext& context) {
  const Tensor g_OI = context.base(parameter + ".grad");
  if (at::count_nonzero(g_OI).item<int64_t>() == 0) return {};
  return g_OI.sign() * -eta;
}

Init start_of_A(std::string parameter, const Settings& own) {
  return [=](const Tensor& out, const InitContext& context) {
    const Tensor update = first_update(parameter, own.eta, context);
    const RngKey key = make_key(context.seed, hash_text("svd"), hash_text(parameter));
    out.copy_(update.defined() ? leading_svd(update, out.size(0), own.iterations, key).vt_RI
                               : weight_svd(parameter, out.size(0), own.iterations, context).vt_RI);
  };
}

/// The columns U S that go with the rows Vᵀ: ΔW₀ V.
Tensor scaled_columns(const std::string& parameter, const std::string& a, double eta, const InitContext& context, bool* fresh) {
  const Tensor update = first_update(parameter, eta, context), a_RI = context.param(a);
  *fresh = update.defined();
  return at::matmul((*fresh ? update : context.base(parameter)).to(a_RI.scalar_type()), a_RI.t());
}

Init start_of_B(std::string parameter, std::string a, const Settings& own) {
  return [=](const Tensor& out, const InitContext& context) {
    bool fresh = false;
    const Tensor us_OR = scaled_columns(parameter, a, own.eta, context, &fresh);
    const OneThread one_thread;  // a rank of one is a sum to one value
    out.copy_(us_OR / us_OR.square().sum(0).sqrt().clamp_min(1e-30));
  };
}

Init start_of_R(std::string parameter, std::string a, const Settings& own) {
  return [=](const Tensor& out, const InitContext& context) {
    bool fresh = false;
    const Tensor us_OR = scaled_columns(parameter, a, own.eta, context, &fresh);
    const OneThread one_thread;  // a rank of one is a sum to one value
    if (fresh) out.copy_(us_OR.square().sum(0).sqrt().diag());
  };
}

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  const Settings own = config.settings<Settings>(kName);
  return square_params(sites, config, kPrefix,
                       {[own](const std::string& parameter) { return start_of_A(parameter, own); },
                        [own](const std::string& parameter, const std::string& a) { return start_of_B(parameter, a, own); },
                        [own](const std::string& parameter, const std::string& a) { return start_of_R(parameter, a, own); }});
}

}  // namespace

extern const Method kLoraSb = {
    .name = kName,
    .summary = "an R x R matrix trained between the singular vectors of the first update",
    .source = "Ponkshe et al. 2024, arXiv 2411.19557",
    .scale = ScaleLaw::one,
    .starts_as_base = false,  // by one small step
    .needs_gradients = true,
    .params = params,
    .make = [](const Site& site, const AdapterConfig& config, const Lookup& param) { return make_square(site, config, param, kPrefix); },
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
};

}  // namespace hellora
