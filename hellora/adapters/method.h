// What an adapter method is: parameters declared as data, and an adapter per site that uses them.
// The table of methods is in methods.cpp; a new method is one file and one row.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/adapters/config.h"
#include "hellora/adapters/site.h"
#include "hellora/tensor/low_rank.h"

namespace hellora {

/// How a parameter starts. `uniform`: U(-1/sqrt(fan_in), 1/sqrt(fan_in)); `base`: the frozen weight of the same name.
enum class Init : uint8_t { zeros, uniform, normal, base };

/// One trainable tensor. `name` is its key in the adapter file without PEFT's prefix.
struct ParamSpec {
  std::string name;
  std::vector<int64_t> shape;
  Init init = Init::zeros;
  int64_t fan_in = 1;
  bool decay = true;  // whether weight decay applies
  size_t site = 0, member = 0;
  int64_t count() const;
};

/// An adapter bound to one site. Member m is the m-th of Site::members.
class Adapter {
 public:
  virtual ~Adapter() = default;
  /// The low-rank part of a member; the linear paths add it (scale * (x Aᵀ) Bᵀ).
  virtual const LowRank* low_rank(size_t) const { return nullptr; }
  /// A trainable weight that takes the frozen one's place.
  virtual const Tensor* weight(size_t) const { return nullptr; }
  /// General form, built from plain tensor operators: y of member m for input x and the base output. The oracle of the fused paths.
  virtual Tensor apply(const Tensor& x_NI, const Tensor& base_y_NO, size_t m) const = 0;
  /// The weight with the adapter folded in, in fp32 (fp64 for an fp64 base); merge and tests.
  virtual Tensor adapted_weight(const Tensor& base_OI, size_t m) const = 0;
};

struct Method {
  std::string_view name, summary, source;
  bool makes_adapter;  // false: the result is a model, not an adapter file
  std::vector<ParamSpec> (*params)(std::span<const Site> sites, const AdapterConfig& config);
  /// `views` are this site's parameters, in the order in which `params` declared them.
  std::unique_ptr<Adapter> (*make)(const Site& site, const AdapterConfig& config, std::span<const Tensor> views);
};

std::span<const Method> methods();
/// ConfigError names the nearest known method.
const Method& find_method(const std::string& name);

}  // namespace hellora
