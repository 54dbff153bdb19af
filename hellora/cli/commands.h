// The commands' makers, one per file, and what several of them share.
#pragma once

#include "hellora/cli/command.h"
#include "hellora/io/files.h"

namespace hellora {

std::unique_ptr<Command> make_run();
std::unique_ptr<Command> make_profile();
std::unique_ptr<Command> make_select();
std::unique_ptr<Command> make_train();
std::unique_ptr<Command> make_config();
std::unique_ptr<Command> make_eval();
std::unique_ptr<Command> make_generate();
std::unique_ptr<Command> make_chat();
std::unique_ptr<Command> make_forward();
std::unique_ptr<Command> make_tokenize();
std::unique_ptr<Command> make_merge();
std::unique_ptr<Command> make_export();
std::unique_ptr<Command> make_check();
std::unique_ptr<Command> make_inspect();
std::unique_ptr<Command> make_count();
std::unique_ptr<Command> make_import();
std::unique_ptr<Command> make_init();
std::unique_ptr<Command> make_bench();
std::unique_ptr<Command> make_methods();
std::unique_ptr<Command> make_archs();
std::unique_ptr<Command> make_policies();
std::unique_ptr<Command> make_tasks();
std::unique_ptr<Command> make_formats();

/// The first positional argument is a configuration file unless it reads key=value; then it joins the overrides.
Path split_config_argument(std::string* config, std::vector<std::string>* overrides);

}  // namespace hellora
