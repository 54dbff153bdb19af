// What an adapter method is: parameters declared as data, and an adapter per site that says what they make of it in each pass.
// The table of methods is in methods.cpp; a new method is one file and one row.
#pragma once

#include <any>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hellora/adapters/config.h"
#include "hellora/adapters/init.h"
#include "hellora/adapters/site.h"
#include "hellora/adapters/step_context.h"
#include "hellora/core/json.h"
#include "hellora/tensor/low_rank.h"

namespace hellora {

/// What becomes of a tensor. `frozen` is stored in the adapter file; `seeded` is not: it is made anew from the seed and its hash checked.
enum class Use : uint8_t { trained, frozen, seeded };

/// The member that a parameter belongs to.
struct Place {
  size_t site = 0, member = 0;
};

class AdapterSet;

/// One tensor of a method. `name` is its key in the adapter file without PEFT's prefix.
struct ParamSpec {
  std::string name;
  std::vector<int64_t> shape;
  Init init;
  std::optional<Place> place;  // nullopt: all sites share it
  Use use = Use::trained;
  bool decay = true;  // whether weight decay applies

  int64_t count() const;
  bool belongs_to(size_t site, size_t member) const { return place && place->site == site && place->member == member; }
};

/// A trainable weight in the frozen one's place: (out, in) of a linear map, (V, H) of an embedding, (out) of a vector.
struct OwnWeight {
  Tensor w;
};

/// A low-rank part whose output is scaled together with the frozen map's: y = scale ⊙ (x Wᵀ + …), with history. With dropout only the
/// change reads the dropped input: y = x Wᵀ + (scale − 1) ⊙ x_low Wᵀ + scale ⊙ …
struct Scaled {
  LowRank low_rank;
  std::function<Tensor(const kernels::Packed& frozen)> scale_O;  // of the output rows; may depend on the weight
};

/// A change that is none of these: Adapter::apply makes it of the base output. What cannot call that refuses it when it is bound.
struct General {};

/// What a member is in one pass. There is no "nothing": a member that does nothing has a low-rank part of zeros.
using Part = std::variant<LowRank, Scaled, OwnWeight, General>;

/// What Adapter::apply has at hand: y (N, O) is the base output of x (N, I); x_low is x after dropout, undefined without.
struct BaseCall {
  Tensor x_NI, x_low_NI, y_NO;
  const kernels::Packed& frozen;
  const Compute& compute;
};

/// An adapter bound to one site. Member m is the m-th of Site::members.
class Adapter {
 public:
  explicit Adapter(const Site& site) : embedding_(site.slot == Slot::embed) {}
  virtual ~Adapter() = default;
  /// By value, with history: factors may be computed anew in each pass.
  virtual Part part(size_t m) const = 0;
  /// y of member m, for a General part.
  virtual Tensor apply(const BaseCall& call, size_t m) const;
  /// Rows [first, first + base_rows.size(0)) of the weight with the adapter folded in, in fp32 (fp64 for an fp64 base), from the same
  /// rows of the base. An embedding's weight is (V, H). The default serves LowRank and OwnWeight.
  virtual Tensor adapted_rows(const Tensor& base_rows, int64_t first, size_t m) const;
  /// Whether the change of a weight is the same whatever the weight is.
  virtual bool additive() const { return true; }

 private:
  bool embedding_;  // its factors are those of the map from V to H
};

/// The tensors of a method by name.
using Lookup = std::function<const Tensor&(const std::string& name)>;

struct StepHooks;  // adapters/step_hooks.h

/// How much B A is multiplied with: alpha / r, alpha / sqrt(r), or 1.
enum class ScaleLaw : uint8_t { rank, root_rank, one };

struct Method {
  std::string_view name, summary, source;
  std::string_view status = "formula, finite differences";  // what it has been held against
  ScaleLaw scale = ScaleLaw::rank;
  bool makes_adapter = true;     // false: the result is a model, not an adapter file
  bool starts_as_base = true;    // the first output has the base's bits
  bool exact_gradient = true;    // false: the method's own rule, not the derivative of the loss
  std::string_view peft_type{};  // of its adapter folder; empty where PEFT has no such type or would load something else
  bool pairs = false;            // the folder is a plain LoRA's: one pair per module, or fused
  /// Keys of adapter_config.json that a plain LoRA's lacks; false where PEFT would compute something else by these settings.
  bool (*peft_keys)(const AdapterSet& adapters, Json* file) = nullptr;
  std::string_view also{};       // another spelling of the name, which adapter.method takes too
  bool needs_forget = false;     // it learns from a second stream of rows, data.forget (StepHooks::forget_weights)
  bool has_prototypes = false;   // its hooks ask for prototypes of both streams
  bool needs_gradients = false;  // it starts from the first gradients of the weights: BaseWeight is asked for NAME.grad too
  /// Every tensor. The order is that of their initial values, which may read those before them.
  std::vector<ParamSpec> (*params)(std::span<const Site> sites, const AdapterConfig& config) = nullptr;
  std::unique_ptr<Adapter> (*make)(const Site& site, const AdapterConfig& config, const Lookup& param) = nullptr;
  /// The method's own settings with their defaults, and their fields under "adapter.<name>."; null: it has none.
  std::any (*settings)() = nullptr;
  std::vector<Field> (*fields)(std::any* settings) = nullptr;
  /// How many of the trained tensors' elements learn at the end, where the method keeps some from it; null: all.
  int64_t (*learning)(int64_t elements, const AdapterConfig& config) = nullptr;
  int64_t step_bytes = 0;  // that its hooks keep for each trained element
  bool composed = false;   // its parts are scaled or general: experts with them are composed of grouped products
  /// What it does in each step of a training; null: nothing.
  std::unique_ptr<StepHooks> (*hooks)(AdapterSet& adapters) = nullptr;
};

std::span<const Method> methods();
/// By its name or the other spelling. ConfigError names the nearest known method.
const Method& find_method(const std::string& name);

bool is_low_rank(const Part& part);
/// A part that must be low-rank: a CHECK fails for another form.
LowRank low_rank_part(const Adapter& adapter, size_t m);

}  // namespace hellora
