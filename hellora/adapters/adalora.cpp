// AdaLoRA: ΔW = s · B (A ⊙ E) whose ranks compete across the whole model: a falling budget of ranks goes to the triplets that mattered
// most (Zhang et al. 2023; laws and names of Hugging Face PEFT). Experts that few tokens reach lose theirs first.
#include <algorithm>
#include <cmath>

#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"
#include "hellora/core/error.h"
#include "hellora/tensor/ordered_sum.h"

namespace hellora {
namespace {

constexpr const char* kName = "adalora";
constexpr double kStart = 0.02;  // standard deviation of A and B

struct Settings {
  int64_t target_rank = 0, interval = 1;
  double warmup = 0, finish = 0;  // shares of the training with the whole budget, and with the final one
  double beta1 = 0.85, beta2 = 0.85, orthogonality = 0.5;

  int64_t target(int64_t rank) const { return target_rank > 0 ? target_rank : std::max<int64_t>(1, 2 * rank / 3); }

  std::vector<Field> fields() {
    return {
        int_field("adapter.adalora.target_rank", &target_rank, 0, 65536, "adalora: mean rank at the end; 0: two thirds of adapter.rank"),
        int_field("adapter.adalora.interval", &interval, 1, 1000000, "adalora: steps between two cuts"),
        double_field("adapter.adalora.warmup", &warmup, 0, 1, "adalora: share of the steps before the first cut"),
        double_field("adapter.adalora.finish", &finish, 0, 1, "adalora: share of the steps after the last cut"),
        double_field("adapter.adalora.beta1", &beta1, 0, 0.9999, "adalora: how long importance is remembered"),
        double_field("adapter.adalora.beta2", &beta2, 0, 0.9999, "adalora: how long its uncertainty is remembered"),
        double_field("adapter.adalora.orthogonality", &orthogonality, 0, 1e3,
                     "adalora: weight of the orthogonality of A and B in the loss")};
  }
};

std::string name_of_A(const std::string& path) { return path + ".lora_A"; }
std::string name_of_B(const std::string& path) { return path + ".lora_B"; }
std::string name_of_E(const std::string& path) { return path + ".lora_E"; }

class AdaLora : public Adapter {
 public:
  AdaLora(const Site& site, const AdapterConfig& config, const Lookup& param) : Adapter(site) {
    for (const SiteMember& one : site.members) {
      const double alpha = config.alpha > 0 ? config.alpha : static_cast<double>(one.rank);
      parts_.push_back({param(name_of_A(one.path)), param(name_of_B(one.path)), alpha / (static_cast<double>(one.rank) + 1e-5),
                        param(name_of_E(one.path)).squeeze(1)});
    }
  }

  Part part(size_t m) const override { return parts_[m]; }

 private:
  std::vector<LowRank> parts_;
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  std::vector<ParamSpec> specs;
  for (size_t s = 0; s < sites.size(); ++s) {
    const Site& site = sites[s];
    require_matrix(site, config);
    for (size_t m = 0; m < site.members.size(); ++m) {
      const auto& [expert, rank, alpha, path] = site.members[m];
      specs.push_back({name_of_A(path), {rank, site.in}, init::normal(kStart), Place{s, m}});
      specs.push_back({name_of_B(path), {site.out, rank}, init::normal(kStart), Place{s, m}});
      specs.push_back({name_of_E(path), {rank, 1}, init::zeros(), Place{s, m}});
    }
  }
  return specs;
}

/// Ranks that the model may keep after step t of T, of b0 at the start and bT at the end; `masks`: whether step t takes some away.
int64_t budget(int64_t t, int64_t all, int64_t warmup, int64_t finish, int64_t b0, int64_t bT, int64_t interval, bool* masks) {
  *masks = false;
  if (t <= warmup) return b0;
  if (t > all - finish) {
    *masks = true;
    return bT;
  }
  const double left = 1 - static_cast<double>(t - warmup) / static_cast<double>(all - finish - warmup);
  *masks = t % interval == 0;
  return static_cast<int64_t>(static_cast<double>(b0 - bT) * left * left * left + static_cast<double>(bT));
}

class Allocation : public StepHooks {
 public:
  explicit Allocation(AdapterSet& adapters) : settings_(adapters.config().settings<Settings>(kName)) {
    importance_ = at::zeros_like(adapters.flat_param());
    uncertainty_ = at::zeros_like(importance_);
    flat_ = adapters.flat_param().detach();
    grad_ = adapters.flat_grad();
    for (size_t p = 0; p < adapters.specs().size(); p += 3) {  // A, B, E
      triples_.push_back({take(adapters, p), take(adapters, p + 1), take(adapters, p + 2)});
      const int64_t rank = adapters.specs()[p].shape[0];
      all_ranks_ += rank;
      final_ranks_ += std::min(rank, settings_.target(adapters.config().rank));
    }
    kept_ = at::ones({all_ranks_}, at::TensorOptions(at::kByte));
    fixed_ = at::zeros({1}, at::TensorOptions(at::kByte));
  }

  /// orthogonality · mean over all A and B of ‖A Aᵀ − I‖, ‖Bᵀ B − I‖
  double regularise(int64_t) override {
    if (settings_.orthogonality == 0) return 0;
    double sum = 0;
    const double weight = settings_.orthogonality / static_cast<double>(2 * triples_.size());
    const auto pull = [&](const View& one, bool transposed) {
      const Tensor rows = transposed ? one.value.t() : one.value,
                   error = at::matmul(rows, rows.t()) - at::eye(rows.size(0), rows.options());
      const double norm = std::sqrt(ordered_square_sum(error.contiguous()));
      sum += norm;
      if (norm == 0) return;
      const Tensor step = at::matmul(error, rows) * (2 * weight / norm);  // the derivative of the norm
      Tensor(one.grad).add_(transposed ? step.t() : step);
    };
    for (const Triple& one : triples_) {
      pull(one.a, false);
      pull(one.b, true);
    }
    return weight * sum;
  }

  void after_step(int64_t step, int64_t steps, double) override {
    const int64_t t = step + 1, warmup = share(settings_.warmup, steps), finish = share(settings_.finish, steps);
    if (fixed_.item<uint8_t>() == 0) {
      if (t < steps - finish) take_importance();  // the last choice is made by what was seen before it
      bool masks = false;
      const int64_t keep = budget(t, steps, warmup, finish, all_ranks_, final_ranks_, settings_.interval, &masks);
      const bool last = t == steps - finish;
      if (last) fixed_.fill_(1);
      if (!masks && !last) return;
      choose(last ? final_ranks_ : keep);
    }
    apply_mask();
  }

  /// Ranks that E has lost.
  int64_t masked(size_t param) const override {
    int64_t at = 0;
    for (size_t i = 0; i < triples_.size(); ++i) {
      const int64_t rank = triples_[i].e.value.size(0);
      if (param == 3 * i + 2) return rank - at::count_nonzero(kept_.narrow(0, at, rank)).item<int64_t>();
      at += rank;
    }
    return 0;
  }

  std::vector<std::pair<std::string, Tensor>> state() override {
    return {{"importance", importance_}, {"uncertainty", uncertainty_}, {"kept", kept_}, {"fixed", fixed_}};
  }

 private:
  struct View {
    Tensor value, grad;
    int64_t begin = 0;
  };
  struct Triple {
    View a, b, e;
  };

  static View take(AdapterSet& adapters, size_t p) {
    const Tensor value = adapters.param(p).detach();
    return {value, adapters.grad(p), value.storage_offset()};
  }
  static int64_t share(double of, int64_t steps) { return static_cast<int64_t>(of * static_cast<double>(steps)); }

  /// Ī = β₁ Ī + (1−β₁) |p g|; U = β₂ U + (1−β₂) |I − Ī|, with the new Ī. An expert without tokens has g = 0.
  void take_importance() {
    const Tensor now = (flat_ * grad_).abs();
    importance_.mul_(settings_.beta1).add_(now, 1 - settings_.beta1);
    uncertainty_.mul_(settings_.beta2).add_((now - importance_).abs(), 1 - settings_.beta2);
  }

  /// The score of every rank of the model: that of E's element and the means over A's row and B's column.
  Tensor scores() const {
    const Tensor element = importance_ * uncertainty_;
    const auto of = [&](const View& one) { return element.narrow(0, one.begin, one.value.numel()).view(one.value.sizes()); };
    std::vector<Tensor> all;
    for (const Triple& one : triples_) all.push_back(of(one.e).squeeze(1) + of(one.a).mean(1) + of(one.b).mean(0));
    return at::cat(all);
  }

  void choose(int64_t keep) {
    const int64_t cut = all_ranks_ - keep;
    if (cut <= 0) {
      kept_.fill_(1);
      return;
    }
    const Tensor score_R = scores(), threshold = std::get<0>(at::kthvalue(score_R, cut));
    kept_.copy_(at::logical_not(score_R <= threshold).to(at::kByte));
  }

  void apply_mask() {
    int64_t at = 0;
    for (const Triple& one : triples_) {
      const int64_t rank = one.e.value.size(0);
      Tensor(one.e.value).mul_(kept_.narrow(0, at, rank).to(one.e.value.scalar_type()).unsqueeze(1));
      at += rank;
    }
  }

  Settings settings_;
  Tensor flat_, grad_, importance_, uncertainty_;
  Tensor kept_, fixed_;  // of each rank; whether the pattern stays
  std::vector<Triple> triples_;
  int64_t all_ranks_ = 0, final_ranks_ = 0;
};

}  // namespace

int64_t adalora_budget(int64_t t, int64_t all, int64_t warmup, int64_t finish, int64_t b0, int64_t bT) {
  bool masks = false;
  return budget(t, all, warmup, finish, b0, bT, 1, &masks);
}

extern const Method kAdaLora = {
    .name = kName,
    .summary = "LoRA whose ranks compete across the model for a falling budget",
    .source = "Zhang et al. 2023, arXiv 2303.10512",
    .status = "PEFT",
    .peft_type = "ADALORA",
    .peft_keys =
        [](const AdapterSet& adapters, Json* file) {
          const AdapterConfig& config = adapters.config();
          const auto& own = config.settings<Settings>(kName);
          (*file)["init_r"] = config.rank;
          (*file)["target_r"] = std::min(config.rank, own.target(config.rank));
          (*file)["lora_alpha"] = config.alpha;
          (*file)["lora_dropout"] = config.dropout;
          (*file)["deltaT"] = own.interval;
          (*file)["beta1"] = own.beta1;
          (*file)["beta2"] = own.beta2;
          (*file)["orth_reg_weight"] = own.orthogonality;
          (*file)["total_step"] = 1;  // PEFT reads no file without; its schedule is over
          return true;
        },
    .params = params,
    .make = make_adapter<AdaLora>,
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
    .step_bytes = 8,  // importance and its uncertainty
    .hooks = make_hooks<Allocation>,
};

}  // namespace hellora
