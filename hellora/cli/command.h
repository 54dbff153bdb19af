// A command of the program: its options, and what it does. The table is in commands.cpp.
#pragma once

#include <CLI/CLI.hpp>
#include <array>
#include <memory>
#include <span>
#include <string>

namespace hellora {

/// Options that every command takes.
struct Common {
  int64_t threads = 0;
  int64_t seed = 0;
  bool seed_given = false, threads_given = false;
  std::string device = "cpu", log_level = "info";
  bool quiet = false, json = false;
};

class Command {
 public:
  virtual ~Command() = default;
  virtual void declare(CLI::App& app) = 0;
  /// Returns the exit code; errors are thrown.
  virtual int run(const Common& common) = 0;
};

struct CommandRow {
  const char *name, *summary;
  std::unique_ptr<Command> (*make)();
  const char* group;                    // the heading that it stands under in the program's help
  std::array<const char*, 2> examples;  // whole command lines
};

std::span<const CommandRow> command_table();

}  // namespace hellora
