// The table of commands, in the order of the help text.
#include "hellora/cli/commands.h"

#include <array>

namespace hellora {
namespace {

constexpr auto kCommands = std::to_array<CommandRow>({
    {"train", "train adapters (or weights) and write a run folder", make_train},
    {"init", "write a model with random weights", make_init},
});

}  // namespace

std::span<const CommandRow> command_table() { return kCommands; }

Path split_config_argument(std::string* config, std::vector<std::string>* overrides) {
  if (config->find('=') == std::string::npos) return *config;
  overrides->insert(overrides->begin(), *config);
  config->clear();
  return {};
}

}  // namespace hellora
