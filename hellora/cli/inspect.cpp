#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/inspect_config.h"
#include "hellora/cli/inspect_data.h"
#include "hellora/cli/inspect_events.h"
#include "hellora/cli/inspect_run.h"
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"
#include "hellora/data/format.h"
#include "hellora/io/checkpoint.h"
#include "hellora/io/paths.h"
#include "hellora/model/adapter_dir.h"
#include "hellora/model/arch.h"
#include "hellora/model/count.h"
#include "hellora/recipe/selection.h"
#include "hellora/recipe/table.h"
#include "hellora/select/policy.h"

namespace hellora {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const int64_t size : shape) sizes.push_back(std::to_string(size));
  return join(sizes, " x ");
}

Description describe_tensors(const std::vector<TensorInfo>& tensors, Json head) {
  std::vector<std::vector<std::string>> rows;
  Json list = Json::array();
  int64_t elements = 0;
  for (const TensorInfo& one : tensors) {
    rows.push_back({one.name, dtype_name(one.dtype), shape_text(one.shape)});
    list.push_back({{"name", one.name}, {"dtype", dtype_name(one.dtype)}, {"shape", one.shape}});
    elements += one.count();
  }
  head["tensors"] = list;
  head["elements"] = elements;
  return {format_table(rows) + std::to_string(tensors.size()) + " tensors, " + with_commas(elements) + " elements\n", head};
}

Description describe_model(const Path& folder) {
  const Checkpoint checkpoint(folder);
  const ModelShape s = read_shape(checkpoint.config(), (folder / "config.json").string());
  std::vector<TensorInfo> tensors;
  for (const std::string& name : checkpoint.names()) tensors.push_back(checkpoint.info(name));
  Json head{{"kind", "model"},    {"arch", s.arch},       {"parameters", count_base(s)},         {"layers", s.layers},
            {"hidden", s.hidden}, {"experts", s.experts}, {"experts_per_token", s.router.top_k}, {"vocab", s.vocab}};
  Description out = describe_tensors(tensors, head);
  out.text += "model " + s.arch + ": " + with_commas(count_base(s)) + " parameters (" + with_commas(count_active(s)) + " active), " +
              std::to_string(s.layers) + " layers, hidden " + std::to_string(s.hidden) + ", " + std::to_string(s.experts) +
              " experts, top-" + std::to_string(s.router.top_k) + ", vocabulary " + with_commas(s.vocab) + "\n";
  return out;
}

std::string experts_text(std::span<const HotExpert> experts) {
  std::string text;
  for (const HotExpert& hot : experts) {  // one piece at a time: GCC 12 warns wrongly about a literal plus a string
    if (!text.empty()) text += ' ';
    text += std::to_string(hot.expert);
    if (hot.rank > 0) text.append(":r").append(std::to_string(hot.rank));
  }
  return text;
}

std::string plan_text(const Plan& plan) {
  std::vector<std::vector<std::string>> rows = {{"layer", "coverage", "experts"}};
  for (const LayerPlan& layer : plan.layers)
    rows.push_back({std::to_string(layer.layer), percent(layer.coverage), experts_text(layer.experts)});
  return format_table(rows) + "plan: policy " + plan.policy + "\n";
}

Description describe_profile(const Profile& profile) {
  std::vector<std::vector<std::string>> rows = {{"layer", "busiest share", "idle experts", "busiest experts"}};
  for (const LayerProfile& layer : profile.layers) {
    std::vector<int64_t> order(layer.counts.size());
    for (size_t e = 0; e < order.size(); ++e) order[e] = static_cast<int64_t>(e);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return layer.counts[static_cast<size_t>(a)] > layer.counts[static_cast<size_t>(b)]; });
    const size_t shown = std::min<size_t>(order.size(), static_cast<size_t>(2 * profile.top_k));
    std::string busiest;
    for (size_t i = 0; i < shown; ++i) busiest.append(i > 0 ? " " : "").append(std::to_string(order[i]));
    const auto idle = std::count(layer.counts.begin(), layer.counts.end(), 0);
    rows.push_back(
        {std::to_string(layer.layer), percent(coverage_of(layer, std::span(order).first(shown))), std::to_string(idle), busiest});
  }
  return {format_table(rows) + "profile: " + with_commas(profile.tokens) + " tokens, top-" + std::to_string(profile.top_k) + " of " +
              std::to_string(profile.experts) + " experts, mode " + profile.mode +
              (profile.skipped_bad > 0 ? ", " + with_commas(profile.skipped_bad) + " bad records of the data skipped" : "") + "\n",
          profile_to_json(profile)};
}

Description describe_json(const Path& file) {
  const Json json = parse_json(read_text(file), file.string());
  const std::string format = json.is_object() ? string_or(json, "format", "", file.string()) : "";
  if (format.starts_with("hellora.plan/")) return {plan_text(plan_from_json(json, file.string())), json};
  if (format.starts_with("hellora.profile/")) return describe_profile(profile_from_json(json, file.string()));
  if (format.starts_with("hellora.audit/")) return describe_audit(json, file);
  if (json.is_object() && json.contains("audit") && json.contains("trainable")) return describe_summary(json, file);
  throw FormatError(file.string() + ": neither a plan nor a profile, an audit or a summary");
}

Description describe_adapter(const Path& folder) {
  const SafetensorsFile file(folder / "adapter_model.safetensors");
  Description out = describe_tensors(file.tensors(), Json{{"kind", "adapter"}});
  const Path peft = folder / "adapter_config.json";
  if (path_exists(peft)) {
    const Json config = parse_json(read_text(peft), peft.string());
    out.json["adapter_config"] = config;
    if (has(config, "r") && has(config, "lora_alpha")) {
      out.text += "adapter: rank " + std::to_string(int_member(config, "r", peft.string())) + ", alpha " +
                  fixed(double_member(config, "lora_alpha", peft.string()), 1) + "\n";
    }
  }
  if (path_exists(folder / "hellora.json")) {
    const std::string ours = (folder / "hellora.json").string();
    const Json json = parse_json(read_text(ours), ours);
    out.text += "method: " + printable(string_or(json, "method", "lora", ours)) + "\n";
    out.text += plan_text(plan_from_json(member(json, "plan", ours), ours));
    out.json["hellora"] = json;
  }
  return out;
}

Description describe_folder(const Path& folder) {
  if (path_exists(folder / "state.json")) return describe_checkpoint(folder);
  if (holds_adapter(folder)) return describe_adapter(folder);
  if (path_exists(folder / "config.yaml")) return describe_run(folder);
  if (path_exists(folder / "config.json")) return describe_model(folder);
  throw FormatError(folder.string() + ": expected a model, an adapter, a run or a checkpoint in this folder");
}

Description describe_path(const Path& path) {
  if (!path_exists(path)) throw DataError(path.string() + ": no such file or folder");
  if (is_folder(path)) return describe_folder(path);
  if (path.extension() == ".safetensors") return describe_tensors(SafetensorsFile(path).tensors(), Json{{"kind", "tensors"}});
  if (path.extension() == ".jsonl") return describe_metrics(path);
  if (path.extension() == ".yaml" || path.extension() == ".yml") return describe_config(path);
  if (path.filename().string().starts_with("events.out.tfevents.")) return describe_events(path);
  return describe_json(path);
}

class Inspect : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("path", path_, "file or folder");
    app.add_option("--data", data_.files, "JSON Lines files: shows records as the model sees them");
    app.add_option("--model", data_.model, "with --data: the folder whose tokenizer and chat template are used");
    app.add_option("--n", data_.shown, "with --data: rows to show")->check(CLI::Range(0, 1 << 20));
    app.add_option("--format", data_.data.format, "with --data: record format");
    app.add_option("--train-on", data_.data.train_on, "with --data: which tokens are supervised")
        ->check(CLI::IsMember({"completion", "last-turn", "all-turns", "all"}));
    app.add_option("--chat-template", data_.data.chat_template, "with --data: built-in name or file; auto: the model's own");
    app.add_option("--on-error", data_.data.on_error, "with --data: at a bad record stop, or skip it, counted and the first named")
        ->check(CLI::IsMember({"stop", "skip"}));
    app.add_option("--max-length", data_.data.max_length, "with --data: longer rows are counted")->check(CLI::Range(2, 1 << 20));
  }

  int run(const Common& common) override {
    if (path_.empty() == data_.files.empty()) throw ConfigError("inspect: give either a path or --data FILE with --model DIR");
    if (!data_.files.empty()) {
      if (data_.model.empty()) throw ConfigError("inspect: --data needs --model DIR");
      if (data_.data.format != "auto") find_format(data_.data.format);
      inspect_data(data_, common.json);
      return 0;
    }
    const Description description = describe_path(path_);
    if (common.json) {
      std::cout << dump_json(description.json) << "\n";
    } else {
      std::cout << printable_lines(description.text);
    }
    return 0;
  }

 private:
  std::string path_;
  InspectData data_;
};

}  // namespace

std::unique_ptr<Command> make_inspect() { return std::make_unique<Inspect>(); }

}  // namespace hellora
