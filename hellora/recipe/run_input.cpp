#include "hellora/recipe/run_input.h"

#include <cmath>

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/export/formats.h"
#include "hellora/io/paths.h"
#include "hellora/recipe/memory_plan.h"
#include "hellora/recipe/profile_run.h"
#include "hellora/recipe/run_data.h"
#include "hellora/recipe/run_identity.h"
#include "hellora/select/policy.h"
#include "hellora/train/identity.h"
#include "hellora/train/length.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

void check_exports(const std::vector<std::string>& names) {
  std::vector<std::string> known = {"merged"};
  for (const ExportFormat& format : export_formats()) known.emplace_back(format.name);
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw ConfigError("export: unknown format \"" + name + "\"; expected some of " + join(known, ", "));
  }
}

/// What would otherwise be refused only after the profile.
void check_settings(const RunConfig& config, const ModelShape& shape, const Plan& plan, bool profiles) {
  find_method(config.adapter.method);
  find_sites(shape, config.adapter, plan, config.given.contains("adapter.rank"));
  if (const std::string note = tied_note(shape, config.adapter); !note.empty()) log_warn(note);
  if (profiles) resolve_k(config.select.k, auto_k(shape), shape.experts);
  if (shape.experts == 0 && config.train.router_aux_loss > 0)
    throw ConfigError("train.router_aux_loss: a dense " + shape.arch + " model has no router to balance");
}

/// Nothing that the run reads may lie where --overwrite removes.
void refuse_input_inside(const RunConfig& config, const RunStart& start) {
  if (start.start != Start::overwrite) return;
  const auto refuse = [&](const char* key, const std::string& path) {
    if (path.empty() || !lies_inside(path, config.output)) return;
    throw ConfigError(std::string(key) + ": " + path + " lies inside the output folder " + config.output + ", which --overwrite empties");
  };
  refuse("the configuration", start.config_file.string());
  refuse("model", config.model);
  for (const std::string& file : config.data.train) refuse("data.train", file);
  for (const std::string& file : eval_files(config.data.eval)) refuse("data.eval", file);
  for (const std::string& file : config.data.forget) refuse("data.forget", file);
  refuse("select.plan", config.select.plan);
  if (is_file(config.data.chat_template)) refuse("data.chat_template", config.data.chat_template);
  if (start.resumed) refuse("--resume", (start.resumed->checkpoint.empty() ? start.resumed->folder : start.resumed->checkpoint).string());
}

void check_evaluation(const RunConfig& config) {
  const TrainConfig& train = config.train;
  if ((!train.keep_best && train.early_stop == 0) || (!config.data.eval.empty() && train.eval_steps > 0)) return;
  throw ConfigError(std::string(train.keep_best ? "train.keep_best" : "train.early_stop") + " needs data.eval and train.eval_steps");
}

/// A run without a checkpoint goes on with its profile and plan, which its settings have made.
void check_beginning(RunConfig* config, const ModelShape& shape, const Path& folder) {
  RunConfig before;
  const Path file = folder / "config.yaml";
  load_config(&before, file, {});
  const std::string difference = identity_difference(run_settings(&before, shape), run_settings(config, shape), file.string());
  if (!difference.empty()) throw StateError(folder.string() + ": another run: " + difference);
}

/// Refuses a checkpoint that this run does not go on from, before anything is written.
void check_resumed(const Prepared& prepared, const RunConfig& config) {
  const CheckpointState saved = read_checkpoint_state(prepared.resume);
  const std::string difference = identity_difference(saved.identity, prepared.identity, "the checkpoint");
  if (!difference.empty()) throw StateError(prepared.resume.string() + ": the checkpoint belongs to another run: " + difference);
  const Schedule schedule{&prepared.train, packing_rule(config), static_cast<uint64_t>(config.seed), config.train.grad_accumulation};
  const Length length = run_length(schedule, config.train);
  refuse_shorter(saved, length, prepared.resume);
  const auto all = list_checkpoints(prepared.folder->path());
  if (length.total == saved.length.total || all.empty() || all.rbegin()->first <= saved.cursor.step) return;
  throw StateError(prepared.resume.string() + ": a longer run from here would meet the later checkpoints of the shorter one in " +
                   prepared.folder->path().string() + "; take another output");
}

void load_data(const RunConfig& config, Prepared& out) {
  RunData data = load_run_data(config, out.space);
  out.train = std::move(data.train);
  out.eval = std::move(data.eval);
  out.forget = std::move(data.forget);
}

/// From here on the run writes, and a signal saves.
void begin(RunConfig* config, const Prepared& prepared) {
  stop_at_once(false);
  prepared.folder->begin();
  write_text_atomic(prepared.folder->path() / "config.yaml", config_yaml(config));
}

}  // namespace

Prepared prepare_training(RunConfig* config, const RunStart& start) {
  stop_at_once(true);
  check_exports(config->exports);
  check_evaluation(*config);
  check_forget(*config);
  refuse_idle(config->train);
  refuse_input_inside(*config, start);
  Prepared out;
  out.resume_command = start.resume_command;
  const Path folder = config->output;
  if (!start.dry_run || path_exists(folder)) out.folder = std::make_unique<RunFolder>(folder, start.start);
  if (start.resumed) out.resume = start.resumed->checkpoint;
  out.space = out.time.measure("loading",
                               [&] { return open_model(config->model, config->compute.weights, true, resolve_compute(&config->compute)); });
  const ModelShape& shape = out.space.decoder->shape();
  settle_memory(config, shape);
  out.time.measure("data", [&] { load_data(*config, out); });
  run_length({&out.train, packing_rule(*config), static_cast<uint64_t>(config->seed), config->train.grad_accumulation}, config->train);

  const Path before = start.resumed ? start.resumed->folder : Path();
  const bool has_plan = !before.empty() && path_exists(before / "plan.json"), keeps_plan = has_plan && config->select.plan.empty();
  const bool profiles = !keeps_plan && takes_profile(*config, shape);
  if (!profiles) out.plan = keeps_plan ? read_plan(before / "plan.json") : make_plan(*config, *out.space.decoder, nullptr);
  check_settings(*config, shape, profiles ? all_experts(shape) : out.plan, profiles);
  if (!profiles) out.identity = run_identity(config, *out.space.decoder, out.train, out.to_forget(), out.plan);
  if (out.resume.empty() && !before.empty()) check_beginning(config, shape, before);
  if (!out.resume.empty()) {
    if (profiles) throw StateError(out.resume.string() + ": plan.json of its run is missing; select.plan=FILE names one");
    if (out.folder) check_resumed(out, *config);
  }
  const int64_t steps_done = out.resume.empty() ? 0 : read_checkpoint_state(out.resume).cursor.step;
  out.forecast =
      forecast_whole_run(*config, out.space, {&out.train, out.eval ? &*out.eval : nullptr, out.to_forget()}, profiles, steps_done);
  if (start.dry_run) return out;
  log_info("forecast: " + forecast_line(out.forecast));
  // Nothing is written, and nothing of an older run removed, before the input is known to be good.
  begin(config, out);
  if (profiles) {
    if (!before.empty()) log_info("the profile was not finished: it is taken anew");
    out.profile = out.time.measure("profile", [&] { return take_profile(*config, out.space, out.train, out.resume_command); });
    write_profile(folder / "profile.json", *out.profile);
    out.plan = make_plan(*config, *out.space.decoder, &*out.profile);
    out.identity = run_identity(config, *out.space.decoder, out.train, out.to_forget(), out.plan);
  }
  if (!path_exists(folder / "plan.json")) write_plan(folder / "plan.json", out.plan);
  return out;
}

}  // namespace hellora
