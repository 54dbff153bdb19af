// The `adapter` section of the configuration: what all methods share, and the settings that each owns under its name.
#pragma once

#include <any>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/core/config.h"

namespace hellora {

struct AdapterConfig {
  AdapterConfig();

  std::string method = "lora";
  int64_t rank = 32;
  double alpha = 64;
  double dropout = 0.0;
  std::vector<std::string> targets = {"auto"};
  std::map<std::string_view, std::any> own;  // settings of the methods that have some, by name

  /// The settings that a method's file declares.
  template <class Settings>
  const Settings& settings(std::string_view name) const {
    return std::any_cast<const Settings&>(own.at(name));
  }

  /// Factor of B·A for a pair of this rank; `own_alpha` 0 means adapter.alpha.
  double scale(int64_t member_rank, double own_alpha = 0) const;
  /// What alpha is divided by for this rank: rank, its root, or 1, as the method says.
  double rank_factor(double member_rank) const;
};

/// All fields, those of every method included.
std::vector<Field> adapter_fields(AdapterConfig* config);
/// The fields under "adapter.<method>." of one method.
std::vector<Field> method_fields(AdapterConfig* config, std::string_view method);
/// Whether a key is a setting of another method than the configured one.
bool of_another_method(const AdapterConfig& config, std::string_view key);

}  // namespace hellora
