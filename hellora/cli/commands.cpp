// The table of commands, in the order of the help text.
#include "hellora/cli/commands.h"

#include <array>

namespace hellora {
namespace {

constexpr const char *kTrain = "Train", *kUse = "Use and measure a model", *kHandOver = "Hand over and prove", *kLook = "Look and count";

constexpr auto kCommands = std::to_array<CommandRow>({
    {"run",
     "the whole recipe: profile, select, train, evaluate, export",
     make_run,
     kTrain,
     {"hellora run examples/quickstart.yaml", "hellora run recipe=hellora model=DIR data.train=rows.jsonl output=runs/my adapter.rank=16"}},
    {"profile",
     "count which experts the router chooses on your data",
     make_profile,
     kTrain,
     {"hellora profile --model DIR --data rows.jsonl --mode base --out profile.json",
      "hellora profile config.yaml --tokens label --fraction 0.2 --out profile.json"}},
    {"select",
     "turn a profile into a plan: which experts to adapt",
     make_select,
     kTrain,
     {"hellora select --profile profile.json --model DIR",
      "hellora select --profile profile.json --k 25% --rank-by coverage --rank 16 --out plan.json"}},
    {"train",
     "train adapters (or weights) and write a run folder",
     make_train,
     kTrain,
     {"hellora train config.yaml select.plan=plan.json output=runs/my", "hellora train --resume runs/my"}},
    {"config",
     "the configuration's keys, their defaults and ranges; or check a file",
     make_config,
     kTrain,
     {"hellora config train.lr", "hellora config --check config.yaml train.epochs=2"}},
    {"eval",
     "loss on a file, or an evaluation task",
     make_eval,
     kUse,
     {"hellora eval --model DIR --adapter runs/my/adapter --data test.jsonl",
      "hellora eval --model DIR --task gsm8k --shots 4 --limit 100"}},
    {"generate",
     "continue a prompt",
     make_generate,
     kUse,
     {"hellora generate --model DIR --adapter runs/my/adapter --prompt \"How many?\"",
      "hellora generate --model DIR --raw --prompt \"Once upon a time\" --temperature 0.7 --max-new-tokens 64"}},
    {"chat",
     "talk to a model in the terminal",
     make_chat,
     kUse,
     {"hellora chat --model DIR --adapter runs/my/adapter",
      "hellora chat --model DIR --chat-template chatml --system \"Be brief.\" < questions.txt"}},
    {"forward",
     "logits, routing and loss of token ids, for comparisons",
     make_forward,
     kUse,
     {"hellora forward --model DIR --ids ids.json --out logits.safetensors",
      "hellora forward --model DIR --adapter runs/my/adapter --ids ids.json --out logits.safetensors"}},
    {"tokenize",
     "text lines to token ids, or back",
     make_tokenize,
     kUse,
     {"hellora tokenize --model DIR < lines.txt", "hellora tokenize --model DIR --decode < ids.jsonl"}},
    {"merge",
     "write the model with an adapter folded in, and prove it",
     make_merge,
     kHandOver,
     {"hellora merge --model DIR --adapter runs/my/adapter --out merged",
      "hellora merge --model DIR --adapter runs/my/adapter --dtype fp32 --out merged"}},
    {"export",
     "write an adapter in another tool's format, and prove it",
     make_export,
     kHandOver,
     {"hellora export --model DIR --adapter runs/my/adapter --format peft-full --out for-peft",
      "hellora export --model DIR --adapter runs/my/adapter --format peft-fused --out for-peft"}},
    {"check",
     "compare an adapter with its model, an export or a merge",
     make_check,
     kHandOver,
     {"hellora check --model DIR --adapter runs/my/adapter", "hellora check --model DIR --adapter runs/my/adapter --merged merged"}},
    {"inspect",
     "what a model, adapter, plan, profile, run or tensor file holds",
     make_inspect,
     kLook,
     {"hellora inspect runs/my", "hellora inspect --model DIR --data rows.jsonl --n 3"}},
    {"count",
     "parameters and FLOPs of a method, without weights",
     make_count,
     kLook,
     {"hellora count --arch olmoe-1b-7b --rank 32 --k 8", "hellora count --model DIR --plan plan.json"}},
    {"init",
     "write a model with random weights",
     make_init,
     kLook,
     {"hellora init --arch olmoe-1b-7b --tiny --out tiny", "hellora init --config config.json --layers 2 --seed 1 --out small"}},
    {"bench",
     "time training steps on synthetic weights",
     make_bench,
     kLook,
     {"hellora bench kernels", "hellora bench step --arch olmoe-1b-7b --layers 2 --tokens 1024"}},
    {"methods", "the table of adapter methods", make_methods, kLook, {"hellora methods", "hellora methods --json"}},
    {"archs", "the table of model families and presets", make_archs, kLook, {"hellora archs", "hellora archs --json"}},
    {"policies", "the table of selection policies", make_policies, kLook, {"hellora policies", "hellora policies --json"}},
    {"tasks", "the table of evaluation tasks", make_tasks, kLook, {"hellora tasks", "hellora tasks --json"}},
    {"formats",
     "who reads an adapter, an export or a merge, and what they need",
     make_formats,
     kLook,
     {"hellora formats", "hellora formats --json"}},
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
