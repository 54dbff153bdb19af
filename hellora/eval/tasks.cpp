#include <array>

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/eval/task.h"

namespace hellora {

TaskResult run_gsm8k(const Decoder& decoder, const Tokenizer& tokenizer, const TaskOptions& options);

namespace {

constexpr auto kTasks = std::to_array<Task>({
    {"gsm8k", "grade-school arithmetic: greedy answer, exact match of the final number", "data/gsm8k/test.jsonl", "data/gsm8k/train.jsonl",
     run_gsm8k},
});

}  // namespace

std::span<const Task> tasks() { return kTasks; }

const Task& find_task(const std::string& name) {
  std::vector<std::string> known;
  for (const Task& task : kTasks) {
    if (task.name == name) return task;
    known.emplace_back(task.name);
  }
  throw ConfigError("--task: unknown task \"" + name + "\"; expected one of " + join(known, ", "));
}

}  // namespace hellora
