// GSM8K (Cobbe et al. 2021): the number after "####" where the model writes the marker, else its last number.
#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/data/format.h"
#include "hellora/eval/generate.h"
#include "hellora/eval/task.h"
#include "hellora/io/records.h"

namespace hellora {
namespace {

constexpr std::string_view kMarker = "####";

std::string answer_of(const std::string& text) {
  const size_t marker = text.rfind(kMarker);
  if (marker == std::string::npos) return final_number(text);
  const size_t end = text.find('\n', marker);
  return final_number(
      std::string_view(text).substr(marker + kMarker.size(), end == std::string::npos ? end : end - marker - kMarker.size()));
}

/// A few-shot prompt goes on with the next question; the answer ends before it.
std::string first_answer(const std::string& text) { return text.substr(0, text.find("\nQuestion:")); }

std::vector<PromptCompletion> read_rows(const std::string& file, int64_t limit) {
  std::vector<PromptCompletion> rows;
  const RecordFormat& format = find_format("gsm8k");
  for_each_record(file, [&](int64_t line, const Json& record) {
    if (limit > 0 && static_cast<int64_t>(rows.size()) >= limit) return;
    const std::string where = file + ":" + std::to_string(line);
    rows.push_back(render(format, record, where));
    if (rows.back().completion.find(kMarker) == std::string::npos)
      throw DataError(where + ": the answer has no \"####\" with the final number");
  });
  if (rows.empty()) throw DataError(file + ": no record");
  return rows;
}

}  // namespace

std::string final_number(std::string_view text) {
  const auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
  std::string last;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + (text[at] == '-' ? 1 : 0);
    if (!digit(end)) {
      ++at;
      continue;
    }
    while (digit(end) || (end < text.size() && text[end] == ',')) ++end;
    if (end < text.size() && text[end] == '.' && digit(end + 1)) {
      for (++end; digit(end);) ++end;
    }
    last = text.substr(at, end - at);
    at = end;
  }
  std::erase(last, ',');
  if (last.find('.') != std::string::npos) {
    last.erase(last.find_last_not_of('0') + 1);
    if (last.ends_with('.')) last.pop_back();
  }
  return last;
}

TaskResult run_gsm8k(const Decoder& decoder, const Tokenizer& tokenizer, const TaskOptions& options) {
  const std::vector<PromptCompletion> rows = read_rows(options.data, options.limit);
  std::string head;
  if (options.shots > 0) {
    for (const PromptCompletion& shot : read_rows(options.shots_data, options.shots)) head += shot.prompt + shot.completion + "\n\n";
  }
  GenerateConfig config;
  config.max_new_tokens = options.max_new_tokens;
  config.stop_ids = options.stop_ids;
  TaskResult result;
  int64_t correct = 0, marked = 0;
  for (size_t first = 0; first < rows.size(); first += static_cast<size_t>(options.batch)) {
    const size_t end = std::min(rows.size(), first + static_cast<size_t>(options.batch));
    std::vector<std::vector<int64_t>> prompts;
    for (size_t r = first; r < end; ++r) prompts.push_back(tokenizer.encode(head + rows[r].prompt));
    const auto outputs = generate(decoder, prompts, config);
    for (size_t r = first; r < end; ++r) {
      const std::string text = first_answer(tokenizer.decode(outputs[r - first], true));
      const std::string wanted = answer_of(rows[r].completion), got = answer_of(text);
      const bool right = !got.empty() && got == wanted;
      correct += right ? 1 : 0;
      marked += text.find(kMarker) != std::string::npos ? 1 : 0;
      result.samples.push_back(
          {{"task", "gsm8k"}, {"row", r}, {"output", text}, {"answer", got}, {"expected", wanted}, {"correct", right}});
    }
    if (!options.quiet)
      log_info("gsm8k " + std::to_string(end) + "/" + std::to_string(rows.size()) + ": " + std::to_string(correct) + " correct");
  }
  result.count = static_cast<int64_t>(rows.size());
  result.metrics["exact_match"] = static_cast<double>(correct) / static_cast<double>(rows.size());
  result.metrics["correct"] = correct;
  result.metrics["with_marker"] = marked;
  return result;
}

}  // namespace hellora
