#include "hellora/cli/run_input.h"

#include <filesystem>

#include "hellora/cli/memory_plan.h"
#include "hellora/cli/profile_run.h"
#include "hellora/cli/run_folder.h"
#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/export/formats.h"
#include "hellora/select/policy.h"

namespace hellora {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

void load_run_config(RunConfig* config, const Path& file, const std::vector<std::string>& overrides, const Path& resume,
                     const Common& common) {
  Path source = file;
  if (file.empty() && !resume.empty()) {
    for (const Path& folder : {resume, resume.parent_path()}) {
      if (source.empty() && fs::exists(folder / "config.yaml")) source = folder / "config.yaml";
    }
  }
  load_config(config, source, overrides);
  if (file.empty() && !source.empty()) {  // a run's config.yaml names every key; the user gave only the overrides
    RunConfig given;
    load_config(&given, {}, overrides);
    config->given = given.given;
  }
  apply_common(config, common);
  require_key(*config, "model", !config->model.empty());
  require_key(*config, "data.train", !config->data.train.empty());
  if (!resume.empty() && config->output.empty()) config->output = resume.string();
}

Prepared prepare_training(RunConfig* config, const Path& resume, bool overwrite, bool quiet) {
  Prepared out;
  if (!resume.empty()) out.resume = find_resumed(resume);
  check_exports(config->exports);
  const Path folder = config->output;
  const bool continues = lies_in(resume, folder);
  check_output(folder, overwrite, continues);
  out.space = open_model(config->model, config->compute.weights, true, resolve_compute(&config->compute));
  const ModelShape& shape = out.space.decoder->shape();
  settle_memory(config, shape);
  out.train = load_rows(config->data.train, config->data, out.space, config->model);
  log_info("training data: " + describe(out.train));
  if (!config->data.eval.empty()) {
    out.eval = load_rows(config->data.eval, config->data, out.space, config->model);
    log_info("evaluation data: " + describe(*out.eval));
  }
  const bool has_plan = continues && fs::exists(folder / "plan.json"), keeps_plan = has_plan && config->select.plan.empty();
  const bool profiles = !keeps_plan && takes_profile(*config, shape);
  if (!profiles) out.plan = keeps_plan ? read_plan(folder / "plan.json") : make_plan(*config, *out.space.decoder, nullptr);
  check_settings(*config, shape, profiles ? all_experts(shape) : out.plan, profiles);
  // Nothing is written, and nothing of an older run removed, before the input is known to be good.
  make_output(folder, overwrite, continues);
  if (out.resume.empty()) write_text_atomic(folder / "config.yaml", config_yaml(config));
  if (profiles) {
    out.profile = take_profile(*config, out.space, out.train, quiet);
    write_profile(folder / "profile.json", *out.profile);
    out.plan = make_plan(*config, *out.space.decoder, &*out.profile);
  }
  if (!has_plan) write_plan(folder / "plan.json", out.plan);
  return out;
}

}  // namespace hellora
