// How a run begins, as its command line says.
#pragma once

#include "hellora/recipe/run_config.h"
#include "hellora/recipe/run_folder.h"

namespace hellora {

struct RunStart {
  Start start = Start::fresh;
  std::optional<Resumed> resumed;  // may lie elsewhere than the output
  Path config_file;                // as given; empty without one
  bool dry_run = false;            // only what it will take
  std::string resume_command;      // what goes on with this run after an interruption
};

}  // namespace hellora
