// What `inspect` says of a TensorBoard event file.
#pragma once

#include "hellora/cli/inspect_run.h"

namespace hellora {

/// Its tags, each with its steps and last value; every checksum is verified. FormatError names file and record.
Description describe_events(const Path& file);

}  // namespace hellora
