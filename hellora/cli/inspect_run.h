// What `inspect` says of a run's folder and of the files in it.
#pragma once

#include <string>

#include "hellora/core/json.h"
#include "hellora/io/files.h"

namespace hellora {

/// Lines for people and an object for programs.
struct Description {
  std::string text;
  Json json;
};

/// A folder with a run's config.yaml, finished or not.
Description describe_run(const Path& folder);
/// A folder with a state.json.
Description describe_checkpoint(const Path& folder);
/// audit.json, summary.json and metrics.jsonl; FormatError names the file.
Description describe_audit(const Json& audit, const Path& file);
Description describe_summary(const Json& summary, const Path& file);
Description describe_metrics(const Path& file);

}  // namespace hellora
