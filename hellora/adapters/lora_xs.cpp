// LoRA-XS: a small trained matrix R between the frozen leading singular vectors of the weight: ΔW = s · U R (S Vᵀ)
// (Bałazy et al. 2024; laws of MohammadrezaBanaei/LoRA-XS).
#include "hellora/adapters/from_weight.h"
#include "hellora/adapters/row.h"

namespace hellora {
namespace {

constexpr const char* kName = "lora_xs";
constexpr const char* kPrefix = "xs";
constexpr double kStart = 1e-5;  // of R's standard deviation

struct Settings {
  int64_t iterations = 10;

  std::vector<Field> fields() {
    return {int_field("adapter.lora_xs.iterations", &iterations, 0, 1000, "lora_xs: power iterations of the singular values; 0: exactly")};
  }
};

/// S Vᵀ
Init start_of_A(std::string parameter, int64_t iterations) {
  return [=](const Tensor& out, const InitContext& context) {
    const Svd svd = weight_svd(parameter, out.size(0), iterations, context);
    out.copy_(svd.s_R.unsqueeze(1) * svd.vt_RI);
  };
}

/// U = W Aᵀ / S², from the A that goes with it, whose rows are S long.
Init start_of_B(std::string parameter, std::string a) {
  return [=](const Tensor& out, const InitContext& context) {
    const Tensor &a_RI = context.param(a), w_OI = context.base(parameter).to(a_RI.scalar_type());
    out.copy_(at::matmul(w_OI, a_RI.t()) / a_RI.square().sum(1).clamp_min(1e-30));
  };
}

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  const int64_t iterations = config.settings<Settings>(kName).iterations;
  return square_params(sites, config, kPrefix,
                       {[=](const std::string& parameter) { return start_of_A(parameter, iterations); }, start_of_B,
                        [](const std::string&, const std::string&) { return init::normal(kStart); }});
}

}  // namespace

extern const Method kLoraXs = {
    .name = kName,
    .summary = "an R x R matrix trained between frozen singular vectors of each weight",
    .source = "Bałazy et al. 2024, arXiv 2405.17604",
    .starts_as_base = false,  // but for R's small start
    .params = params,
    .make = [](const Site& site, const AdapterConfig& config, const Lookup& param) { return make_square(site, config, param, kPrefix); },
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
};

}  // namespace hellora
