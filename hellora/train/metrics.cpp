#include "hellora/train/metrics.h"

#include "hellora/io/paths.h"

namespace hellora {
namespace {

/// Keeps the lines up to and including `step`; returns the steps that have a line of an evaluation.
std::set<int64_t> cut_back(const Path& path, int64_t step, bool keeps_eval) {
  std::set<int64_t> evaluated;
  if (!path_exists(path)) return evaluated;
  std::string kept;
  const std::string text = read_text(path);
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // a line that a kill cut short
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const Json json = parse_json(line, path.string());
    const int64_t at = int_or(json, "step", 0, path.string());
    const bool evaluation = !json.contains("loss");
    if (at > step || (at == step && evaluation && !keeps_eval)) continue;
    kept += line + "\n";
    if (evaluation) evaluated.insert(at);
  }
  write_text_atomic(path, kept);
  return evaluated;
}

/// "layer_03": sorted by number in TensorBoard.
std::string layer_tag(const Json& layer) {
  const std::string number = std::to_string(layer["layer"].get<int64_t>());
  return "layer_" + std::string(number.size() < 2 ? 1 : 0, '0') + number;
}

}  // namespace

Metrics::Metrics(const Path& run_dir, int64_t step, bool keeps_eval) {
  if (run_dir.empty()) return;
  const Path path = run_dir / "metrics.jsonl";
  if (step > 0) {
    evaluated_ = cut_back(path, step, keeps_eval);
  } else {
    remove_path(path);
  }
  lines_ = std::make_unique<JsonLines>(path, true);
  events_ = std::make_unique<EventWriter>(run_dir, step > 0 ? step + 1 : 0);
}

void Metrics::train_line(const Json& line) {
  if (lines_ == nullptr) return;
  lines_->write(line);
  const auto step = line["step"].get<int64_t>();
  for (const char* key : {"loss", "lr", "grad_norm", "tokens_per_s"})
    events_->scalar(std::string("train/") + key, step, line[key].get<float>());
  for (const char* key : {"forget_loss", "forget_drift", "drift", "small_groups"}) {  // of methods that unlearn
    if (line.contains(key)) events_->scalar(std::string("train/") + key, step, line[key].get<float>());
  }
}

void Metrics::eval_line(int64_t step, std::optional<double> loss, const Json& load) {
  if (!loss && load.is_null()) return;
  evaluated_.insert(step);
  if (lines_ == nullptr) return;
  Json line{{"step", step}};
  if (loss) line["eval_loss"] = *loss;
  if (!load.is_null()) line["expert_load"] = load;
  lines_->write(line);
  if (loss) events_->scalar("eval/loss", step, static_cast<float>(*loss));
  if (!load.is_null()) load_scalars(step, load);
}

void Metrics::load_scalars(int64_t step, const Json& load) {
  for (const std::string key : {"coverage", "drift", "balance"}) {
    events_->scalar("expert_" + key + "/mean", step, load[key].get<float>());
    for (const Json& layer : load["layers"]) events_->scalar("expert_" + key + "/" + layer_tag(layer), step, layer[key].get<float>());
  }
  for (const Json& layer : load["layers"])
    events_->histogram("expert_load/" + layer_tag(layer), step, layer["load"].get<std::vector<int64_t>>());
}

}  // namespace hellora
