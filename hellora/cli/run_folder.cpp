#include "hellora/cli/run_folder.h"

#include <filesystem>

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/train/checkpoint.h"

namespace hellora {

namespace fs = std::filesystem;

Path find_resumed(const Path& resume) {
  if (!fs::exists(resume)) throw DataError(resume.string() + ": no run folder or checkpoint to resume; without --resume a run starts anew");
  const Path checkpoint = find_checkpoint(resume);
  log_info(checkpoint.empty() ? resume.string() + ": no checkpoint yet, starting from the beginning"
                              : checkpoint.string() + ": continuing");
  return checkpoint;
}

bool lies_in(const Path& resume, const Path& output) {
  return !resume.empty() && fs::exists(output) &&
         (fs::equivalent(resume, output) || fs::equivalent(fs::canonical(resume).parent_path(), output));
}

void check_output(const Path& folder, bool overwrite, bool resume) {
  if (folder.empty()) throw ConfigError("configuration: key \"output\" is needed; set it in the file or as output=FOLDER");
  if (fs::exists(folder) && !fs::is_directory(folder)) throw ConfigError(folder.string() + ": is not a folder");
  if (!fs::exists(folder) || fs::is_empty(folder) || resume) return;
  if (!overwrite)
    throw ConfigError(folder.string() +
                      ": the output folder is not empty; use --resume to continue, --overwrite to start anew, or another output");
  const bool ours = fs::exists(folder / "config.yaml");
  if (!ours) throw ConfigError(folder.string() + ": --overwrite empties only folders that hold a run (no config.yaml found here)");
}

void make_output(const Path& folder, bool overwrite, bool resume) {
  make_folder(folder);
  if (!overwrite || resume) return;
  for (const auto& entry : fs::directory_iterator(folder)) fs::remove_all(entry.path());
}

}  // namespace hellora
