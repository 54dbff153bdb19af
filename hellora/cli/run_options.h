// What `train` and `run` take: a configuration, overrides, and how they meet a folder that holds a run.
#pragma once

#include "hellora/cli/command.h"
#include "hellora/cli/run_config.h"
#include "hellora/cli/run_folder.h"

namespace hellora {

/// How a run begins, when the options are read.
struct RunStart {
  Start start = Start::fresh;
  std::optional<Resumed> resumed;  // may lie elsewhere than the output
  Path config_file;                // as given; empty without one
  bool dry_run = false;            // only what it will take
  std::string resume_command;      // what goes on with this run after an interruption
};

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
