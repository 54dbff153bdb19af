#include <cmath>
#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/model_options.h"
#include "hellora/core/error.h"
#include "hellora/core/finite.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/eval/perplexity.h"
#include "hellora/eval/task.h"
#include "hellora/recipe/progress.h"
#include "hellora/recipe/table.h"

namespace hellora {
namespace {

class Eval : public Command {
 public:
  void declare(CLI::App& app) override {
    model_.declare(app);
    app.add_option("--task", tasks_, "see `hellora tasks`");
    app.add_option("--data", data_, "JSON Lines files: loss and perplexity; or one file of the task's rows");
    app.add_option("--shots-data", shots_data_, "JSON Lines that few-shot examples come from");
    app.add_option("--format", format_, "record format; auto: the adapter's, else detected");
    app.add_option("--train-on", train_on_,
                   "which tokens count: completion, last-turn, all-turns or all; default: as the adapter was trained")
        ->check(CLI::IsMember({"completion", "last-turn", "all-turns", "all"}));
    app.add_option("--chat-template", chat_template_, "built-in name or file; auto: the adapter's, else the model's own");
    length_option_ = app.add_option("--max-length", max_length_, "longer rows are skipped")->check(CLI::Range(1, 1 << 20));
    app.add_option("--on-error", on_error_, "at a bad record of --data: stop, or skip it, counted and the first named")
        ->check(CLI::IsMember({"stop", "skip"}));
    app.add_option("--limit", options_.limit, "first rows only")->check(CLI::Range(0, INT32_MAX));
    app.add_option("--shots", options_.shots, "examples before each question")->check(CLI::Range(0, 64));
    app.add_option("--max-new-tokens", options_.max_new_tokens, "length of an answer")->check(CLI::Range(1, 1 << 20));
    app.add_option("--batch", options_.batch, "prompts at a time")->check(CLI::Range(1, 4096));
    app.add_option("--out", out_, "JSON file with results and samples");
  }

  int run(const Common& common) override {
    if (tasks_.empty() && data_.empty()) throw ConfigError("eval: give --task NAME or --data FILE");
    for (const std::string& name : tasks_) find_task(name);
    if (!tasks_.empty() && data_.size() > 1) throw ConfigError("eval: --task takes one --data file, not " + std::to_string(data_.size()));
    if (!tasks_.empty() && on_error_ == "skip")
      throw ConfigError("eval: a task's score is over all of its rows; --on-error skip is not for --task");
    Workspace space = model_.open();
    options_.quiet = common.quiet;
    options_.stop_ids = stop_ids(space);
    Json results = Json::object();
    Json samples = Json::array();
    if (tasks_.empty()) results["perplexity"] = perplexity(space);
    for (const std::string& name : tasks_) {
      const Task& task = find_task(name);
      options_.data = data_.empty() ? std::string(task.data) : data_[0];
      options_.shots_data = shots_data_.empty() ? std::string(task.shots_data) : shots_data_;
      const TaskResult result = task.run(*space.decoder, *space.tokenizer, options_);
      results[name] = result.metrics;
      results[name]["count"] = result.count;
      for (const Json& sample : result.samples) samples.push_back(sample);
    }
    if (!out_.empty())
      write_text_atomic(
          out_,
          dump_json(Json{{"model", model_.model}, {"adapter", model_.adapter}, {"results", results}, {"samples", samples}}, 1) + "\n");
    print(results, common.json);
    return 0;
  }

 private:
  Json perplexity(Workspace& space) const {
    DataConfig config;
    const AdapterOrigin& origin = space.adapter.origin;
    config.format = format_ != "auto" || origin.data_format.empty() ? format_ : origin.data_format;
    config.train_on = !train_on_.empty() ? train_on_ : space.adapter.adapters ? origin.train_on : "completion";
    config.max_length = max_length_;
    config.on_error = on_error_;
    const int64_t positions = space.decoder->shape().max_positions;
    if (length_option_->count() > 0 && max_length_ > positions) {
      log_warn("--max-length " + std::to_string(max_length_) + ": the model has " + std::to_string(positions) +
               " positions; longer rows are skipped");
    }
    config.chat_template = space.adapter.adapters ? trained_chat_template(origin, model_.adapter) : chat_template_;
    if (chat_template_ != "auto") config.chat_template = chat_template_;
    Dataset data = load_rows(data_, config, space, model_.model);
    if (options_.limit > 0 && static_cast<size_t>(options_.limit) < data.examples.size())
      data.examples.resize(static_cast<size_t>(options_.limit));
    log_info("data: " + describe(data));
    const int64_t length = std::min(config.max_length, positions);
    Progress line("evaluate", Ending::erase, Lines::seldom);
    const PackingRule rule{std::max<int64_t>(2048, length), true, length};
    const LossSum loss = evaluate_dataset(*space.decoder, data, rule, {}, {}, [&](int64_t done, int64_t total, const LossSum& so_far) {
      line.show(done, total, "loss " + fixed(so_far.sum / static_cast<double>(std::max<int64_t>(1, so_far.count)), 4));
    });
    const double mean = finite(loss.sum / static_cast<double>(loss.count), "eval: the mean loss");
    const double perplexity = finite(std::exp(mean), "eval: the perplexity (loss " + fixed(mean, 1) + ")");
    Json out{{"loss", mean}, {"perplexity", perplexity}, {"tokens", loss.count}, {"rows", data.examples.size()}};
    if (on_error_ == "skip") out["skipped_bad"] = data.skipped_bad;
    return out;
  }

  static void print(const Json& results, bool json) {
    if (json) {
      std::cout << dump_json(results) << "\n";
      return;
    }
    std::vector<std::vector<std::string>> rows;
    for (const auto& [task, metrics] : results.items()) {
      for (const auto& [name, value] : metrics.items())
        rows.push_back({task, name, value.is_number_float() ? fixed(value.get<double>(), 4) : dump_json(value)});
    }
    std::cout << format_table(rows);
  }

  ModelOptions model_;
  TaskOptions options_;
  std::vector<std::string> tasks_, data_;
  std::string shots_data_, format_ = "auto", train_on_, chat_template_ = "auto", on_error_ = "stop", out_;
  int64_t max_length_ = 2048;
  CLI::Option* length_option_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> make_eval() { return std::make_unique<Eval>(); }

}  // namespace hellora
