#include "hellora/cli/run_options.h"

#include "hellora/cli/commands.h"
#include "hellora/cli/model_options.h"
#include "hellora/core/error.h"
#include "hellora/core/printable.h"
#include "hellora/core/utf8.h"
#include "hellora/io/paths.h"
#include "hellora/recipe/shell_quote.h"

namespace hellora {
namespace {

/// Everything of a configuration is written into the run's files, which are UTF-8: what is not cannot be said there.
void refuse_broken_text(RunConfig* config) {
  const Fields fields = config_fields(config);
  for (const Field& field : fields.all()) {
    for (const std::string& value : field.get()) {
      if (!is_utf8(value)) throw ConfigError(field.key + ": " + printable(value) + " is not UTF-8, as the files of a run must be");
    }
  }
}

/// The settings of the run that is resumed. Its config.yaml names every key; the user gave only the overrides.
void load_resumed(RunConfig* config, const Path& folder, const std::vector<std::string>& overrides) {
  RunConfig given;
  load_config(config, folder / "config.yaml", overrides);
  load_config(&given, {}, overrides);
  config->given = given.given;
  if (!given.given.contains("output")) config->output = folder.string();  // the folder may have been moved since
}

}  // namespace

void RunOptions::declare(CLI::App& app) {
  command_ = app.get_name();
  app.add_option("config", config_, "YAML file, then key=value overrides");
  app.add_option("overrides", overrides_, "key=value");
  resume_option_ =
      app.add_option("--resume", resume_, "go on with this run folder or checkpoint; without one: with the output folder")->expected(0, 1);
  app.add_flag("--overwrite", overwrite_, "start anew in a folder that holds a run");
  app.add_flag("--dry-run", dry_run_, "read everything, say what the run will take, and write nothing");
}

RunStart RunOptions::load(RunConfig* config, const Common& common) const {
  std::string file_argument = config_, resume = resume_;
  std::vector<std::string> overrides = overrides_;
  if (resume.find('=') != std::string::npos && !path_exists(resume)) {  // "--resume key=value": the run is that of the output
    overrides.insert(overrides.begin(), resume);
    resume.clear();
  }
  RunStart out;
  out.config_file = split_config_argument(&file_argument, &overrides);
  if (!resume.empty()) out.resumed = find_run(resume);
  if (out.config_file.empty() && out.resumed && !out.resumed->folder.empty()) {
    load_resumed(config, out.resumed->folder, overrides);
  } else {
    load_config(config, out.config_file, overrides);
  }
  apply_common(config, common);
  require_key(*config, "model", !config->model.empty());
  require_key(*config, "data.train", !config->data.train.empty());
  if (resume_option_->count() > 0 && !out.resumed) {
    require_key(*config, "output", !config->output.empty());
    out.resumed = find_run(config->output);
  }
  if (config->output.empty() && out.resumed) config->output = out.resumed->folder.string();
  refuse_broken_text(config);
  const bool same = out.resumed && !out.resumed->folder.empty() && same_place(out.resumed->folder, config->output);
  if (same && overwrite_) throw ConfigError(config->output + ": --resume goes on with the run that --overwrite removes; take one of them");
  out.start = same ? Start::resume : overwrite_ ? Start::overwrite : Start::fresh;
  out.dry_run = dry_run_;
  out.resume_command = "hellora " + command_ + " --resume " + shell_path(config->output);
  return out;
}

}  // namespace hellora
