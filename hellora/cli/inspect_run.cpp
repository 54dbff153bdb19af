#include "hellora/cli/inspect_run.h"

#include <algorithm>
#include <map>
#include <optional>

#include "hellora/core/json_object.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"
#include "hellora/io/jsonl.h"
#include "hellora/io/paths.h"
#include "hellora/recipe/progress.h"
#include "hellora/recipe/table.h"

namespace hellora {
namespace {

using Rows = std::vector<std::vector<std::string>>;
constexpr int64_t kMost = int64_t{1} << 60;
constexpr double kHuge = 1e300;
constexpr size_t kShownSteps = 12, kShownWarnings = 5;

struct Point {
  int64_t step = 0;
  std::optional<double> loss, lr, grad_norm, speed, eval_loss, coverage;
};

std::optional<double> number_in(JsonObject& object, const char* key) {
  if (!object.has(key)) return std::nullopt;
  return object.number(key, -kHuge, kHuge);
}

/// The lines of metrics.jsonl; a last one that a kill cut short is left out.
std::vector<Json> read_lines(const Path& file) {
  std::vector<Json> lines;
  LineReader reader(file);
  for (std::string line; reader.next(line) && line.ends_with("}");)
    lines.push_back(parse_json_line(line, file.string() + ":" + std::to_string(reader.number())));
  return lines;
}

std::vector<Point> points_of(const std::vector<Json>& lines, const Path& file) {
  std::vector<Point> points;
  for (const Json& line : lines) {
    JsonObject object(line, file.string());
    Point point;
    point.step = object.integer("step", 0, kMost);
    point.loss = number_in(object, "loss");
    point.lr = number_in(object, "lr");
    point.grad_norm = number_in(object, "grad_norm");
    point.speed = number_in(object, "tokens_per_s");
    point.eval_loss = number_in(object, "eval_loss");
    if (object.has("expert_load")) point.coverage = JsonObject(object.at("expert_load"), file.string()).number_or("coverage", 0, 0, 1);
    points.push_back(point);
  }
  return points;
}

std::string cell(const std::optional<double>& value, int digits) { return value ? fixed(*value, digits) : ""; }

/// Every evaluation, and steps at even distances.
std::string points_table(const std::vector<Point>& points) {
  Rows rows = {{"step", "loss", "lr", "grad norm", "tokens/s", "evaluation loss", "coverage"}};
  const auto steps = static_cast<size_t>(std::count_if(points.begin(), points.end(), [](const Point& p) { return p.loss.has_value(); }));
  const size_t every = std::max<size_t>(1, steps / kShownSteps);
  size_t seen = 0;
  for (const Point& p : points) {
    const bool step = p.loss.has_value();
    if (step) ++seen;
    if (step && seen != 1 && seen != steps && seen % every != 0) continue;
    rows.push_back({std::to_string(p.step), cell(p.loss, 4), p.lr ? rate_text(*p.lr) : "", cell(p.grad_norm, 3), cell(p.speed, 0),
                    cell(p.eval_loss, 4), p.coverage ? percent(*p.coverage) : ""});
  }
  return format_table(rows);
}

std::string losses_text(const std::vector<Point>& points, std::optional<double> Point::*loss) {
  std::string first, last;
  for (const Point& p : points) {
    if (!(p.*loss)) continue;
    last = fixed(*(p.*loss), 4) + " at step " + std::to_string(p.step);
    if (first.empty()) first = last;
  }
  return first == last ? first : first + ", " + last;
}

/// The progress of a run, from its metrics.
void add_losses(Rows& rows, const std::vector<Point>& points) {
  const std::string train = losses_text(points, &Point::loss), eval = losses_text(points, &Point::eval_loss);
  if (!train.empty()) rows.push_back({"training loss", train});
  if (!eval.empty()) rows.push_back({"evaluation loss", eval});
}

std::vector<std::string> checkpoints_in(const Path& folder) {
  std::vector<std::string> names;
  for (const Path& entry : list_folder(folder)) {
    const std::string name = entry.filename().string();
    if (!name.starts_with("checkpoint-") || !is_folder(entry)) continue;
    names.push_back(printable(name) + (is_file(entry / "DONE") ? "" : " (not complete)"));
  }
  return names;
}

std::string text_of(const Json& value) {
  if (value.is_string()) return printable(value.get<std::string>());
  if (value.is_number_float()) return fixed(value.get<double>(), 4);
  if (value.is_number_integer()) return with_commas(value.get<int64_t>());
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// Nested objects with their keys joined; lists as their length.
void add_values(Rows& rows, const std::string& prefix, const Json& object) {
  for (const auto& [key, value] : object.items()) {
    const std::string name = prefix + printable(key);
    if (value.is_object()) {
      add_values(rows, name + ".", value);
    } else if (value.is_array() && value.size() > 8) {
      rows.push_back({name, std::to_string(value.size()) + " values (--json)"});
    } else if (name.ends_with("_bytes") && value.is_number()) {
      rows.push_back({name, human_bytes(value.get<double>())});
    } else {
      rows.push_back({name, text_of(value)});
    }
  }
}

struct TargetSums {
  int64_t modules = 0, fewest_rows = kMost, changed = 0;
  double smallest = kHuge, largest = 0;
};

Rows audit_sites(const Json& sites, const std::string& where) {
  std::map<std::string, TargetSums> targets;
  for (const Json& site : sites) {
    JsonObject object(site, where);
    TargetSums& sums = targets[printable(object.text("target"))];
    const double norm = object.number("grad_norm", 0, kHuge);
    ++sums.modules;
    sums.fewest_rows = std::min(sums.fewest_rows, object.integer("rows_reaching_loss", 0, kMost));
    sums.changed += object.integer("changed", 0, kMost);
    sums.smallest = std::min(sums.smallest, norm);
    sums.largest = std::max(sums.largest, norm);
  }
  Rows rows = {{"target", "modules", "fewest rows that reach the loss", "gradient norms", "changed parameters"}};
  for (const auto& [name, sums] : targets) {
    rows.push_back({name, std::to_string(sums.modules), with_commas(sums.fewest_rows),
                    rate_text(sums.smallest) + " to " + rate_text(sums.largest), with_commas(sums.changed)});
  }
  return rows;
}

std::string drift_table(const Json& drift, const std::string& where) {
  Rows rows = {{"layer", "coverage at start", "at end", "planned experts still hot"}};
  for (const Json& layer : JsonObject(drift, where).at("layers")) {
    JsonObject object(layer, where);
    rows.push_back({std::to_string(object.integer("layer", 0, kMost)), percent(object.number("coverage_start", 0, 1)),
                    percent(object.number("coverage_end", 0, 1)), percent(object.number("still_hot", 0, 1))});
  }
  return rows.size() > 1 ? format_table(rows) : "";
}

}  // namespace

Description describe_metrics(const Path& file) {
  const std::vector<Json> lines = read_lines(file);
  const std::vector<Point> points = points_of(lines, file);
  Rows rows;
  add_losses(rows, points);
  return {points_table(points) + format_table(rows) + "metrics: " + std::to_string(points.size()) + " lines" +
              (points.empty() ? "" : ", up to step " + std::to_string(points.back().step)) + "\n",
          Json{{"kind", "metrics"}, {"lines", lines}}};
}

Description describe_audit(const Json& audit, const Path& file) {
  const std::string where = file.string();
  JsonObject object(audit, where);
  std::string text = format_table(audit_sites(object.at("sites"), where));
  if (object.has("hot_set_drift")) text += drift_table(object.at("hot_set_drift"), where);
  for (const char* kind : {"failures", "warnings"}) {
    const std::vector<std::string> lines = object.texts(kind);
    if (!lines.empty()) text += std::to_string(lines.size()) + " " + kind + (lines.size() > kShownWarnings ? ", the first:" : ":") + "\n";
    for (size_t i = 0; i < std::min(lines.size(), kShownWarnings); ++i) text += "  " + printable(lines[i]) + "\n";
  }
  text += std::string("audit: ") + printable(object.text("verdict")) + ", frozen weights " +
          (object.flag("frozen_unchanged") ? "unchanged" : "changed") + "\n";
  return {text, audit};
}

Description describe_summary(const Json& summary, const Path& file) {
  JsonObject object(summary, file.string());
  Rows rows;
  add_values(rows, "", summary);
  return {format_table(rows) + "summary of a finished run: audit " + printable(object.text("audit")) + "\n", summary};
}

Description describe_checkpoint(const Path& folder) {
  const Path file = folder / "state.json";
  const Json state = parse_json(read_text(file), file.string());
  JsonObject object(state, file.string());
  Rows rows;
  for (const char* key : {"step", "epoch", "batch", "tokens"}) rows.push_back({key, with_commas(object.integer(key, 0, kMost))});
  add_values(rows, "identity.", object.at("identity"));
  const bool whole = is_file(folder / "DONE");
  Json json = state;
  json["kind"] = "checkpoint";
  json["complete"] = whole;
  return {format_table(rows) + "checkpoint after step " + std::to_string(object.integer("step", 0, kMost)) +
              (whole ? ": complete, a run can go on from it\n" : ": not complete (no DONE file)\n"),
          json};
}

Description describe_run(const Path& folder) {
  const Path summary_file = folder / "summary.json", metrics = folder / "metrics.jsonl";
  const bool finished = path_exists(summary_file);
  Rows rows;
  const std::vector<Point> points = path_exists(metrics) ? points_of(read_lines(metrics), metrics) : std::vector<Point>();
  add_losses(rows, points);
  const std::vector<std::string> checkpoints = checkpoints_in(folder);
  if (!checkpoints.empty()) rows.push_back({"checkpoints", join(checkpoints, ", ")});
  if (finished) {
    const Json summary = parse_json(read_text(summary_file), summary_file.string());
    add_values(rows, "", summary);
    return {format_table(rows) + "finished run\n", summary};
  }
  const int64_t step = points.empty() ? 0 : points.back().step;
  rows.push_back({"steps so far", with_commas(step)});
  rows.push_back({"go on with", "hellora run --resume " + printable(folder.string())});
  Json json{{"kind", "run"}, {"finished", false}, {"steps", step}, {"checkpoints", checkpoints}};
  return {format_table(rows) + "run that is not finished\n", json};
}

}  // namespace hellora
