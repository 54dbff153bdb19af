// RandLoRA: a full-rank change out of frozen random pairs that all maps share, ΔW = s Σ_j B_j Λ_j A Γ_j with trained diagonals Λ (rank) and
// Γ (the map's smaller side) (Albert et al. 2025; layout of Hugging Face PEFT). PEFT flattens the pairs of A by rank and those of B by
// basis, so that they meet in another order; `pairing` chooses that or the paper's.
#include <algorithm>

#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"

namespace hellora {
namespace {

constexpr const char* kName = "randlora";

struct Settings {
  std::string pairing = "peft";

  std::vector<Field> fields() {
    return {choice_field("adapter.randlora.pairing", &pairing, {"peft", "paper"}, "randlora: how the bases of A and B meet")};
  }
};

int64_t small_side(const Site& site) { return std::min(site.in, site.out); }
int64_t large_side(const Site& site) { return std::max(site.in, site.out); }
int64_t bases(int64_t small, int64_t rank) { return (small + rank - 1) / rank; }

class RandLora : public Adapter {
 public:
  RandLora(const Site& site, const AdapterConfig& config, const Lookup& param)
      : Adapter(site), wide_(site.in > site.out), peft_(config.settings<Settings>(kName).pairing == "peft") {
    const int64_t small = small_side(site), n = bases(small, config.rank);
    a_R1S_ = param("randlora_A").narrow(2, 0, small);
    b_LNR_ = param("randlora_B").narrow(0, 0, large_side(site)).narrow(1, 0, n);
    for (const SiteMember& one : site.members)
      parts_.push_back({param(one.path + ".randlora_lambda"), param(one.path + ".randlora_gamma"), config.scale(config.rank, one.alpha)});
  }

  Part part(size_t m) const override {
    const Diagonals& p = parts_[m];
    const int64_t small = a_R1S_.size(2), large = b_LNR_.size(0);
    const Tensor a_RNS = p.lambda_RN.unsqueeze(2) * a_R1S_ * p.gamma_NS;
    const Tensor first = peft_ ? a_RNS.reshape({-1, small}) : a_RNS.transpose(0, 1).reshape({-1, small});  // (K, small)
    const Tensor second = b_LNR_.reshape({large, -1});                                                     // (large, K), by basis
    return wide_ ? LowRank{second.t(), first.t(), p.scale} : LowRank{first, second, p.scale};
  }

 private:
  struct Diagonals {
    Tensor lambda_RN, gamma_NS;
    double scale;
  };
  bool wide_, peft_;
  Tensor a_R1S_, b_LNR_;
  std::vector<Diagonals> parts_;
};

/// Kaiming's law divided by its standard deviation: variance 1.
Init unit_uniform() { return init::uniform(1.7320508075688772); }

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  int64_t in = 0, out = 0;
  for (const Site& site : sites) {
    require_matrix(site, config);
    require_one_rank(site, config);
    in = std::max(in, site.in);
    out = std::max(out, site.out);
  }
  const int64_t small = std::min(in, out), large = std::max(in, out);  // as PEFT: no map need have these sides
  std::vector<ParamSpec> specs = {
      {.name = "randlora_A", .shape = {config.rank, 1, small}, .init = unit_uniform(), .place = {}, .use = Use::frozen},
      {.name = "randlora_B",
       .shape = {large, bases(small, config.rank), config.rank},
       .init = unit_uniform(),
       .place = {},
       .use = Use::frozen}};
  for (size_t s = 0; s < sites.size(); ++s) {
    const int64_t own = small_side(sites[s]), n = bases(own, config.rank);
    for (size_t m = 0; m < sites[s].members.size(); ++m) {
      const std::string& path = sites[s].members[m].path;
      specs.push_back({path + ".randlora_lambda", {config.rank, n}, init::zeros(), Place{s, m}});
      specs.push_back({path + ".randlora_gamma", {n, own}, init::constant(1 / static_cast<double>(std::max(n, own))), Place{s, m}});
    }
  }
  return specs;
}

}  // namespace

extern const Method kRandLora = {
    .name = kName,
    .summary = "full-rank changes out of shared frozen random pairs and trained diagonals; dear",
    .source = "Albert et al. 2025, arXiv 2502.00987",
    .status = "PEFT",
    .peft_type = "RANDLORA",
    .peft_keys =
        [](const AdapterSet& adapters, Json* file) {
          const AdapterConfig& config = adapters.config();
          (*file)["r"] = config.rank;
          (*file)["randlora_alpha"] = config.alpha;
          (*file)["randlora_dropout"] = config.dropout;
          (*file)["save_projection"] = true;
          (*file)["projection_prng_key"] = adapters.seed();  // PEFT puts adapters of one key only on the same model
          return config.settings<Settings>(kName).pairing == "peft";
        },
    .params = params,
    .make = make_adapter<RandLora>,
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
};

}  // namespace hellora
