// The command line: what every command gets beside its own options, the help texts, and messages about what was not understood.
#pragma once

#include <string>
#include <vector>

#include "hellora/cli/command.h"

namespace hellora {

/// The program without its commands: name, version, help that shows defaults, ranges and examples.
void declare_program(CLI::App& app);

/// Adds a command with its own and the common options. Folders of --model and --adapter are looked up as find_place does.
CLI::App* add_command(CLI::App& app, const CommandRow& row, Command& command, Common& common);

/// "help" and "help COMMAND" as options; what else was given, as it was. ConfigError for an unknown command, with the nearest one.
std::vector<std::string> understood(const std::vector<std::string>& arguments);

/// CLI11's message, or the unknown option with the one that it is nearest to, or the setting that was written as an option.
std::string parse_message(const CLI::ParseError& error, const CLI::App& app);

}  // namespace hellora
