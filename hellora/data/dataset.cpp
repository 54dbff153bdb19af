#include "hellora/data/dataset.h"

#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/text.h"
#include "hellora/data/format.h"
#include "hellora/io/jsonl.h"

namespace hellora {
namespace {

struct Reader {
  const DataConfig& config;
  const Tokenizer& tokenizer;
  int64_t vocab;
  const RecordFormat* format = nullptr;
  Dataset out;

  void record(const Json& value, const std::string& where) {
    if (format == nullptr) format = config.format == "auto" ? &detect_format(value, where) : &find_format(config.format);
    const PromptCompletion text = render(*format, value, where);
    Example example;
    example.record = out.records++;
    // The beginning-of-text mark, where a tokenizer adds one, comes once: with the prompt, or with the text when there is none.
    if (!text.prompt.empty()) example.ids = tokenizer.encode(text.prompt, true);
    const size_t prompt = example.ids.size();
    const std::vector<int64_t> completion = tokenizer.encode(text.completion, text.prompt.empty());
    example.ids.insert(example.ids.end(), completion.begin(), completion.end());
    if (const std::optional<int64_t> eos = tokenizer.eos()) example.ids.push_back(*eos);
    if (!shorten(example, where)) return;
    check_ids(example, where);
    label(example, config.train_on == "all" ? 0 : prompt);
    if (example.supervised() == 0) {
      ++out.skipped_empty;
      return;
    }
    out.examples.push_back(std::move(example));
  }

  bool shorten(Example& example, const std::string& where) {
    const auto limit = static_cast<size_t>(config.max_length);
    if (example.ids.size() <= limit) return true;
    if (config.too_long == "error") {
      throw DataError(where + ": " + std::to_string(example.ids.size()) + " tokens; data.max_length is " + std::to_string(limit));
    }
    if (config.too_long == "skip") {
      ++out.skipped_long;
      return false;
    }
    example.ids.resize(limit);
    ++out.truncated;
    return true;
  }

  void check_ids(const Example& example, const std::string& where) const {
    for (const int64_t id : example.ids) {
      if (id >= vocab) {
        throw DataError(where + ": token id " + std::to_string(id) + " is outside the model's vocabulary of " + std::to_string(vocab) +
                        "; the tokenizer belongs to another model");
      }
    }
  }

  static void label(Example& example, size_t prompt) {
    example.targets.assign(example.ids.size(), kIgnore);
    for (size_t i = 0; i + 1 < example.ids.size(); ++i) {
      if (i + 1 >= prompt) example.targets[i] = example.ids[i + 1];
    }
  }
};

}  // namespace

int64_t Example::supervised() const {
  return static_cast<int64_t>(std::count_if(targets.begin(), targets.end(), [](int64_t t) { return t != kIgnore; }));
}

int64_t Dataset::tokens() const {
  int64_t total = 0;
  for (const Example& example : examples) total += static_cast<int64_t>(example.ids.size());
  return total;
}

int64_t Dataset::supervised() const {
  int64_t total = 0;
  for (const Example& example : examples) total += example.supervised();
  return total;
}

Dataset load_dataset(const std::vector<std::string>& files, const DataConfig& config, const Tokenizer& tokenizer, int64_t vocab) {
  Reader reader{config, tokenizer, vocab, nullptr, {}};
  for (const std::string& file : files) {
    for_each_json_line(file, [&](int64_t line, const Json& value) { reader.record(value, file + ":" + std::to_string(line)); });
  }
  Dataset& out = reader.out;
  if (out.examples.empty()) {
    throw DataError(join(files, ", ") + ": no usable row (" + std::to_string(out.records) + " read, " + std::to_string(out.skipped_long) +
                    " longer than data.max_length " + std::to_string(config.max_length) + ", " + std::to_string(out.skipped_empty) +
                    " without a supervised token)");
  }
  HELLORA_CHECK(reader.format != nullptr, "an example was rendered in some format");
  out.format = std::string(reader.format->name);
  for (const Example& example : out.examples) {
    out.hash = hash_bytes(std::as_bytes(std::span(example.ids)), out.hash);
    out.hash = hash_bytes(std::as_bytes(std::span(example.targets)), out.hash);
  }
  return out;
}

std::string describe(const Dataset& dataset) {
  std::string text = with_commas(static_cast<long long>(dataset.examples.size())) + " examples, " + with_commas(dataset.tokens()) +
                     " tokens (" + with_commas(dataset.supervised()) + " supervised)";
  if (dataset.skipped_long > 0) text += ", " + with_commas(dataset.skipped_long) + " skipped as too long";
  if (dataset.truncated > 0) text += ", " + with_commas(dataset.truncated) + " truncated";
  if (dataset.skipped_empty > 0) text += ", " + with_commas(dataset.skipped_empty) + " skipped without a supervised token";
  return text;
}

}  // namespace hellora
