// A tiny model with the adapters of one row of the method table on every target that the method takes.
#pragma once

#include "hellora/core/error.h"
#include "tests/support/step.h"
#include "tests/support/tables.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {

inline AdapterConfig config_of(const Method& method, const std::vector<std::string>& targets) {
  AdapterConfig config = tiny_config(targets);
  config.method = std::string(method.name);
  return config;
}

/// The targets of the model that the method does not refuse.
inline std::vector<std::string> targets_of(const Method& method) {
  std::vector<std::string> taken;
  for (const std::string& target : every_target(tiny_shape())) {
    const AdapterConfig config = config_of(method, {target});
    try {
      method.params(find_sites(tiny_shape(), config, tiny_plan()), config);
      taken.push_back(target);
    } catch (const ConfigError& refusal) {
      EXPECT_CONTAINS(std::string(refusal.what()), target);
    }
  }
  return taken;
}

struct Subject {
  explicit Subject(const Method& method, at::ScalarType dtype = at::kFloat, const Plan& plan = tiny_plan(),
                   const std::vector<std::string>& targets = {})
      : model(tiny_shape(), dtype),
        checkpoint(model.folder.path()),
        config(config_of(method, targets.empty() ? targets_of(method) : targets)),
        adapters(
            find_sites(tiny_shape(), config, plan), config, 5, [this](const std::string& name) { return start(name); }, dtype) {}

  Decoder& decoder() { return *model.decoder; }
  /// A weight, or a gradient of its shape.
  Tensor start(const std::string& name) const {
    constexpr std::string_view kGradient = ".grad";
    if (!name.ends_with(kGradient)) return base_weight(checkpoint, tiny_shape(), name);
    return random_tensor(base_weight(checkpoint, tiny_shape(), name.substr(0, name.size() - kGradient.size())).sizes(), hash_text(name));
  }
  /// With the adapters bound.
  Tensor adapted_logits(const Batch& batch) {
    decoder().bind(&adapters);
    return all_logits(decoder(), batch);
  }

  TinyModel model;
  Checkpoint checkpoint;
  AdapterConfig config;
  AdapterSet adapters;
};

/// Experts 1 and 4 of the last layer, with ranks of their own where the method takes them.
inline Plan late_plan(const Method& method) {
  Plan plan;
  plan.layers = {{tiny_shape().layers - 1, {{1, 5}, {4, 2}}, 0.5}};
  const AdapterConfig config = config_of(method, {"gate"});
  try {
    method.params(find_sites(tiny_shape(), config, plan), config);
  } catch (const ConfigError& refusal) {
    EXPECT_CONTAINS(std::string(refusal.what()), "has one rank");
    for (HotExpert& one : plan.layers[0].experts) one.rank = 0;
  }
  return plan;
}

inline std::vector<std::vector<int64_t>> tiny_documents() {
  return {random_ids(23, tiny_shape().vocab, 1), random_ids(17, tiny_shape().vocab, 2)};
}

}  // namespace hellora::testing
