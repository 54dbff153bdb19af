// GS-LoRA: LoRA that unlearns the rows of a second stream, data.forget, while it keeps those of data.train (laws of bjzhb666/GS-LoRA).
//
//   loss = CE_train + β ReLU(bound − CE_forget) + α Σ_g √(Σ_{P in g} ‖P‖² + ε)
//
// GS-LoRA++ adds the same for features: how far they are from the prototype that their stream had before training.
#include <cmath>

#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"
#include "hellora/tensor/ordered_sum.h"

namespace hellora {
namespace {

constexpr const char *kName = "gs_lora", *kPlusName = "gs_lora_pp";
constexpr double kEpsilon = 1e-12;    // under the root: at a group of zeros its gradient would be 0 / 0
constexpr double kSmallGroup = 1e-3;  // norm below which the metrics call a group small

struct Settings {
  double forget_weight = 0.15, bound = 10, group_weight = 1e-4;
  int64_t group_after = 0;
  std::string groups = "block";
  bool prox = false;

  std::vector<Field> fields(const std::string& method) {
    const std::string section = "adapter." + method + ".";
    return {
        double_field(section + "forget_weight", &forget_weight, 0, 1e6, method + ": weight of max(0, bound − loss on data.forget)"),
        double_field(section + "bound", &bound, 0, 1e3,
                     method + ": loss per token up to which data.forget is pushed; a blind guess has ln(vocabulary), 10.4 for 32,000"),
        double_field(section + "group_weight", &group_weight, 0, 1e6, method + ": weight of the sum of the groups' norms"),
        int_field(section + "group_after", &group_after, 0, int64_t{1} << 40, method + ": steps before that term acts"),
        choice_field(section + "groups", &groups, {"block", "member", "matrix", "expert"},
                     method + ": what shrinks together: all of a layer, one map's pair, one factor, or one expert (the rest of a layer)"),
        flag_field(section + "prox", &prox, method + ": exact proximal steps in the term's place: a group that does not pay becomes 0"),
    };
  }
};

struct PlainSettings : Settings {
  std::vector<Field> fields() { return Settings::fields(kName); }
};

struct PlusSettings : Settings {
  double forget_drift = 0.015, drift_bound = 1, keep_drift = 0.015;
  int64_t prototype_rows = 256;

  std::vector<Field> fields() {
    const std::string section = std::string("adapter.").append(kPlusName) + ".", name = kPlusName;
    std::vector<Field> all = Settings::fields(kPlusName);
    all.push_back(
        double_field(section + "forget_drift", &forget_drift, 0, 1e6, name + ": weight of max(0, drift_bound − drift of data.forget)"));
    all.push_back(double_field(section + "drift_bound", &drift_bound, 0, 1e6,
                               name + ": divergence of features from their prototype up to which those of data.forget are pushed"));
    all.push_back(double_field(section + "keep_drift", &keep_drift, 0, 1e6, name + ": weight of the drift of data.train"));
    all.push_back(int_field(section + "prototype_rows", &prototype_rows, 1, int64_t{1} << 40,
                            name + ": rows of each stream whose mean features before training are its prototype"));
    return all;
  }
};

/// Matrices that shrink together.
struct Group {
  struct Member {
    Tensor value, grad;
    size_t param;
  };
  std::vector<Member> members;

  /// The root of the sum over all members, not the sum of their norms: a group vanishes as a whole.
  double length() const {
    double square = 0;
    for (const Member& one : members) square += ordered_square_sum(one.value);
    return std::sqrt(square + kEpsilon);
  }
};

/// What tells the group of a parameter from the others.
std::string group_of(const std::string& groups, const Site& site, const ParamSpec& spec) {
  const SiteMember& member = site.members[spec.place->member];
  if (groups == "matrix") return spec.name;
  if (groups == "member" || site.layer < 0) return member.path;
  const std::string layer = std::to_string(site.layer);
  return groups == "expert" && is_expert_slot(site.slot) ? layer + " expert " + std::to_string(member.expert) : layer;
}

class Unlearning : public StepHooks {
 public:
  Unlearning(AdapterSet& adapters, const Settings& settings) : settings_(settings) {
    std::map<std::string, size_t> index;
    for (size_t p = 0; p < adapters.specs().size(); ++p) {
      const ParamSpec& spec = adapters.specs()[p];
      const std::string key = group_of(settings.groups, adapters.sites()[spec.place->site], spec);
      const auto [it, fresh] = index.emplace(key, groups_.size());
      if (fresh) groups_.emplace_back();
      groups_[it->second].members.push_back({adapters.param(p).detach(), adapters.grad(p), p});
    }
  }

  StreamTerms forget_weights(const StreamTerms& measured) const override {
    return {measured.loss < settings_.bound ? -settings_.forget_weight : 0, 0};
  }

  double regularise(int64_t step) override {
    double sum = 0;
    small_ = 0;
    for (const Group& group : groups_) {
      const double norm = group.length();
      sum += norm;
      small_ += norm < kSmallGroup ? 1 : 0;
      if (!acts(step) || settings_.prox) continue;
      for (const Group::Member& one : group.members) Tensor(one.grad).add_(one.value, settings_.group_weight / norm);
    }
    return acts(step) ? settings_.group_weight * sum : 0;
  }

  /// P ← P max(0, 1 − lr α / ‖g‖)
  void after_step(int64_t step, int64_t, double lr) override {
    if (!acts(step) || !settings_.prox) return;
    for (const Group& group : groups_) {
      const double factor = std::max(0.0, 1 - lr * settings_.group_weight / group.length());
      for (const Group::Member& one : group.members) Tensor(one.value).mul_(factor);
    }
  }

  /// A group at zero stays there: the gradient of each factor has the other one in it.
  int64_t masked(size_t param) const override {
    for (const Group& group : groups_) {
      const auto own = std::find_if(group.members.begin(), group.members.end(), [&](const auto& one) { return one.param == param; });
      if (own == group.members.end()) continue;
      const bool gone = std::all_of(group.members.begin(), group.members.end(),
                                    [](const auto& one) { return at::count_nonzero(one.value).template item<int64_t>() == 0; });
      return gone ? own->value.numel() : 0;
    }
    return 0;
  }

  std::vector<std::pair<std::string, int64_t>> counts() const override {
    return {{"groups", static_cast<int64_t>(groups_.size())}, {"small_groups", small_}};
  }

 private:
  bool acts(int64_t step) const { return settings_.group_weight > 0 && step >= settings_.group_after; }

  Settings settings_;
  std::vector<Group> groups_;
  int64_t small_ = 0;
};

/// The same with prototypes.
class PrototypeUnlearning : public Unlearning {
 public:
  PrototypeUnlearning(AdapterSet& adapters, const PlusSettings& settings) : Unlearning(adapters, settings), plus_(settings) {}

  int64_t prototype_rows() const override { return plus_.prototype_rows; }
  double drift_weight() const override { return plus_.keep_drift; }
  StreamTerms forget_weights(const StreamTerms& measured) const override {
    StreamTerms weights = Unlearning::forget_weights(measured);
    weights.drift = measured.drift < plus_.drift_bound ? -plus_.forget_drift : 0;
    return weights;
  }

 private:
  PlusSettings plus_;
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) { return pair_params(sites, config, Use::trained); }

}  // namespace

extern const Method kGsLora = {
    .name = kName,
    .summary = "LoRA that unlearns data.forget up to a bound and keeps data.train; groups of matrices shrink together",
    .source = "bjzhb666/GS-LoRA",
    .peft_type = "LORA",
    .pairs = true,
    .needs_forget = true,
    .params = params,
    .make = make_pairs,
    .settings = default_settings<PlainSettings>,
    .fields = settings_fields<PlainSettings>,
    .hooks = [](AdapterSet& adapters) -> std::unique_ptr<StepHooks> {
      return std::make_unique<Unlearning>(adapters, adapters.config().settings<PlainSettings>(kName));
    },
};

extern const Method kGsLoraPp = {
    .name = kPlusName,
    .summary = "gs_lora that also moves the features of data.forget away from where they were, and holds those of data.train (gs_lora++)",
    .source = "bjzhb666/GS-LoRA, the ++ form",
    .peft_type = "LORA",
    .pairs = true,
    .also = "gs_lora++",
    .needs_forget = true,
    .has_prototypes = true,
    .params = params,
    .make = make_pairs,
    .settings = default_settings<PlusSettings>,
    .fields = settings_fields<PlusSettings>,
    .hooks = [](AdapterSet& adapters) -> std::unique_ptr<StepHooks> {
      return std::make_unique<PrototypeUnlearning>(adapters, adapters.config().settings<PlusSettings>(kPlusName));
    },
};

}  // namespace hellora
