// The rows that a run trains on and those that it is measured on.
#pragma once

#include <optional>

#include "hellora/recipe/workspace.h"

namespace hellora {

struct RunData {
  Dataset train;
  std::optional<Dataset> eval, forget;
};

/// Reads data.train with its weights, data.eval (files, or a part of the training rows that is taken out of them) and data.forget. Logs
/// what was read. `whole` is false where only the training rows are wanted: they are the same ones.
RunData load_run_data(const RunConfig& config, const Workspace& space, bool whole = true);

}  // namespace hellora
