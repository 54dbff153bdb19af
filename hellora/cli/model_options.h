// Options that several commands share: the model with its adapter, seed and threads.
#pragma once

#include "hellora/cli/command.h"
#include "hellora/recipe/workspace.h"

namespace hellora {

/// --model and --adapter of the commands that use a finished model.
struct ModelOptions {
  std::string model, adapter;
  void declare(CLI::App& app);
  /// Weights as stored; the adapter checked against its base and bound.
  Workspace open(bool with_tokenizer = true) const;
};

/// Applies --seed, --threads and compute.threads.
void apply_common(RunConfig* config, const Common& common);

}  // namespace hellora
