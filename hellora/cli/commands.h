// The commands' makers, one per file, and what several of them share.
#pragma once

#include "hellora/cli/command.h"
#include "hellora/io/files.h"

namespace hellora {

std::unique_ptr<Command> make_init();
std::unique_ptr<Command> make_train();

/// The first positional argument is a configuration file unless it reads key=value; then it joins the overrides.
Path split_config_argument(std::string* config, std::vector<std::string>* overrides);

}  // namespace hellora
