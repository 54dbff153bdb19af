#include "hellora/train/metrics.h"

#include "hellora/io/paths.h"

namespace hellora {
namespace {

/// Keeps the lines up to and including `step`.
void cut_back(const Path& path, int64_t step) {
  if (!path_exists(path)) return;
  std::string kept;
  const std::string text = read_text(path);
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // a line that a kill cut short
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (int_or(parse_json(line, path.string()), "step", 0, path.string()) <= step) kept += line + "\n";
  }
  write_text_atomic(path, kept);
}

}  // namespace

Metrics::Metrics(const Path& run_dir, int64_t step) {
  if (run_dir.empty()) return;
  const Path path = run_dir / "metrics.jsonl";
  if (step > 0) {
    cut_back(path, step);
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
}

void Metrics::eval_line(int64_t step, double loss) {
  if (lines_ == nullptr) return;
  lines_->write(Json{{"step", step}, {"eval_loss", loss}});
  events_->scalar("eval/loss", step, static_cast<float>(loss));
}

}  // namespace hellora
