// What the rows of the method table have in common, so that a method's file says only what is its own.
#pragma once

#include "hellora/adapters/adapter_set.h"
#include "hellora/adapters/step_hooks.h"

namespace hellora {

/// Method::make of an adapter that is made of (site, config, param).
template <class Made>
std::unique_ptr<Adapter> make_adapter(const Site& site, const AdapterConfig& config, const Lookup& param) {
  return std::make_unique<Made>(site, config, param);
}

/// Method::settings and Method::fields of a struct with `std::vector<Field> fields()`.
template <class Settings>
std::any default_settings() {
  return Settings();
}
template <class Settings>
std::vector<Field> settings_fields(std::any* settings) {
  return std::any_cast<Settings>(settings)->fields();
}

/// Method::hooks of hooks that are made of the set.
template <class Made>
std::unique_ptr<StepHooks> make_hooks(AdapterSet& adapters) {
  return std::make_unique<Made>(adapters);
}

}  // namespace hellora
