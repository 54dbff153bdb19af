// What `inspect` says of a configuration file.
#pragma once

#include "hellora/cli/inspect_run.h"

namespace hellora {

/// The keys that it sets, by itself or through its recipe, to something else than the table's default.
Description describe_config(const Path& file);

}  // namespace hellora
