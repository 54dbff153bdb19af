// Evaluation tasks. A table, one row each: a task is one file and one row.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/model/decoder.h"
#include "hellora/text/tokenizer.h"

namespace hellora {

struct TaskOptions {
  std::string data, shots_data;  // JSON Lines; shots come from the other file
  int64_t limit = 0;             // first rows only; 0: all
  int64_t shots = 0;
  int64_t batch = 16;
  int64_t max_new_tokens = 256;
  std::vector<int64_t> stop_ids;  // end an answer
  bool quiet = true;
};

struct TaskResult {
  int64_t count = 0;
  Json metrics = Json::object();  // name → value
  std::vector<Json> samples;      // one per row: prompt, output, what was expected, verdict
};

struct Task {
  std::string_view name, summary, data, shots_data;  // default files, relative to the working directory
  TaskResult (*run)(const Decoder& decoder, const Tokenizer& tokenizer, const TaskOptions& options);
};

std::span<const Task> tasks();
const Task& find_task(const std::string& name);

/// The last number of a text without commas and trailing zeros, e.g. "1,200.50" → "1200.5"; empty when there is none.
std::string final_number(std::string_view text);

}  // namespace hellora
