// The table of commands, in the order of the help text.
#include "hellora/cli/commands.h"

#include <array>

namespace hellora {
namespace {

constexpr auto kCommands = std::to_array<CommandRow>({
    {"run", "the whole recipe: profile, select, train, evaluate, export", make_run},
    {"profile", "count which experts the router chooses on your data", make_profile},
    {"select", "turn a profile into a plan: which experts to adapt", make_select},
    {"train", "train adapters (or weights) and write a run folder", make_train},
    {"eval", "loss on a file, or an evaluation task", make_eval},
    {"generate", "continue a prompt", make_generate},
    {"chat", "talk to a model in the terminal", make_chat},
    {"forward", "logits, routing and loss of token ids, for comparisons", make_forward},
    {"tokenize", "text lines to token ids, or back", make_tokenize},
    {"merge", "write the model with an adapter folded in, and prove it", make_merge},
    {"export", "write an adapter in another tool's format, and prove it", make_export},
    {"check", "compare an adapter with its model, an export or a merge", make_check},
    {"inspect", "what a model, adapter, plan, profile, run or tensor file holds", make_inspect},
    {"count", "parameters and FLOPs of a method, without weights", make_count},
    {"init", "write a model with random weights", make_init},
    {"bench", "time training steps on synthetic weights", make_bench},
    {"methods", "the table of adapter methods", make_methods},
    {"archs", "the table of model families and presets", make_archs},
    {"policies", "the table of selection policies", make_policies},
    {"tasks", "the table of evaluation tasks", make_tasks},
    {"formats", "who reads an adapter, an export or a merge, and what they need", make_formats},
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
