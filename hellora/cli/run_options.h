// What `train` and `run` take: a configuration, overrides, and how they meet a folder that holds a run.
#pragma once

#include "hellora/cli/command.h"
#include "hellora/recipe/run_start.h"

namespace hellora {

class RunOptions {
 public:
  void declare(CLI::App& app);
  /// Loads the configuration: the file, or the one of the run that is resumed, and the overrides.
  RunStart load(RunConfig* config, const Common& common) const;

 private:
  std::string command_, config_, resume_;
  std::vector<std::string> overrides_;
  CLI::Option* resume_option_ = nullptr;
  bool overwrite_ = false, dry_run_ = false;
};

}  // namespace hellora
