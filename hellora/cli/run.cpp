// The whole recipe, and a summary that says what came out.
#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/run_options.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/eval/generate.h"
#include "hellora/io/paths.h"
#include "hellora/recipe/run_facts.h"
#include "hellora/recipe/selection.h"
#include "hellora/recipe/table.h"
#include "hellora/recipe/training.h"
#include "hellora/recipe/verify.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

constexpr int64_t kSampleTokens = 96;
constexpr size_t kFreePrompt = 16;  // tokens of the prompt where the whole text is supervised

/// The prompt part of a row.
std::vector<int64_t> prompt_of(const Example& example) {
  size_t length = 0;
  while (length < example.targets.size() && example.targets[length] == kIgnore) ++length;
  length = length == 0 ? std::min(kFreePrompt, example.ids.size()) : length + 1;
  return {example.ids.begin(), example.ids.begin() + static_cast<std::ptrdiff_t>(std::min(length, example.ids.size()))};
}

std::string continuation(const Workspace& space, const std::vector<int64_t>& prompt) {
  GenerateConfig config;
  config.max_new_tokens = kSampleTokens;
  config.stop = interrupt_requested;
  config.stop_ids = stop_ids(space);
  const std::vector<std::vector<int64_t>> prompts = {prompt};
  return space.tokenizer->decode(generate(*space.decoder, prompts, config)[0], true);
}

std::string summary_table(const TrainOutcome& outcome, const Plan& plan) {
  const Json& s = outcome.summary;
  std::vector<std::vector<std::string>> rows;
  if (outcome.evaluated) {
    rows.push_back({"evaluation loss before", fixed(outcome.loss_before, 4)});
    rows.push_back({"evaluation loss after", fixed(outcome.loss_after, 4)});
  }
  if (s.contains("forget")) {
    rows.push_back({"loss on data.forget before", fixed(s["forget"]["loss_before"].get<double>(), 4)});
    rows.push_back({"loss on data.forget after", fixed(s["forget"]["loss_after"].get<double>(), 4)});
  }
  rows.push_back({"trainable parameters", with_commas(outcome.trainable)});
  rows.push_back({"  with all experts", with_commas(outcome.trainable_all_experts)});
  rows.push_back({"  raw ratio", percent(s["ratio_raw"].get<double>(), 2)});
  rows.push_back({"  quotient of percentages", percent(s["ratio_of_percentages"].get<double>(), 2)});
  for (const std::vector<std::string>& row : coverage_rows(plan)) rows.push_back(row);
  rows.push_back(
      {"coverage at start / end", percent(s["coverage_start"].get<double>()) + " / " + percent(s["coverage_end"].get<double>())});
  rows.push_back({"training speed", fixed(outcome.result.tokens_per_second(), 0) + " tokens/s"});
  rows.push_back({"memory forecast / peak",
                  human_bytes(static_cast<double>(outcome.forecast.total())) + " / " + human_bytes(s["peak_rss_bytes"].get<double>())});
  rows.push_back({"time", spent_text(s["seconds"])});
  rows.push_back({"audit", s["audit"].get<std::string>()});
  rows.push_back({outcome.makes_adapter ? "adapter" : "model", outcome.adapter.string()});
  return format_table(rows);
}

std::string indented(const std::string& text) {
  std::string out = "  ";
  for (const char c : trim(text)) out += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return out + "\n";
}

/// The prompts of the first rows, each continued by the base and by the adapter as it lies on disk.
std::string samples(Workspace& space, const Dataset& data, const Path& adapter, size_t count) {
  std::vector<std::vector<int64_t>> prompts;
  std::vector<std::string> before;
  for (size_t i = 0; i < std::min(count, data.examples.size()); ++i) {
    prompts.push_back(prompt_of(data.examples[i]));
    before.push_back(continuation(space, prompts.back()));
  }
  space.adapter = read_adapter(adapter, space.decoder->shape());
  space.decoder->bind(space.adapter.adapters.get());
  std::string text;
  for (size_t i = 0; i < prompts.size(); ++i) {
    text += "\nprompt\n" + indented(space.tokenizer->decode(prompts[i])) + "before\n" + indented(before[i]) + "after\n" +
            indented(continuation(space, prompts[i]));
  }
  return text;
}

class Run : public Command {
 public:
  void declare(CLI::App& app) override { options_.declare(app); }

  int run(const Common& common) override {
    const InterruptGuard guard;
    RunConfig config;
    const RunStart start = options_.load(&config, common);
    Prepared prepared = prepare_training(&config, start);
    if (start.dry_run) return print_forecast(prepared.forecast, common.json);
    if (prepared.profile && !common.quiet) {
      const std::vector<LayerReport> layers = report_selection(*prepared.profile, prepared.plan);
      std::cerr << selection_table(layers);
      for (const std::string& warning : selection_warnings(layers, prepared.plan.policy)) log_warn(warning);
    }
    const TrainOutcome outcome = run_training(&config, prepared);
    if (outcome.makes_adapter) {
      write_exports(config.exports, config.model, outcome.adapter, config.output, [&](const std::string& name) {
        stop_if_interrupted("stopped before the export " + name + "; the adapter is in " + outcome.adapter.string() +
                            ", the rest comes with: " + start.resume_command);
      });
    }
    if (common.json) {
      std::cout << dump_json(outcome.summary) << "\n";
      return 0;
    }
    std::cout << summary_table(outcome, prepared.plan);
    if (!outcome.makes_adapter || config.samples == 0) return 0;
    const Dataset& rows = prepared.eval ? *prepared.eval : prepared.train;
    const std::string text = samples(prepared.space, rows, outcome.adapter, static_cast<size_t>(config.samples));
    stop_if_interrupted("stopped in the samples; all results are in " + config.output);
    std::cout << text;
    return 0;
  }

 private:
  RunOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_run() { return std::make_unique<Run>(); }

}  // namespace hellora
