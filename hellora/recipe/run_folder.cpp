#include "hellora/recipe/run_folder.h"

#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/export/formats.h"
#include "hellora/io/paths.h"
#include "hellora/train/checkpoint.h"

namespace hellora {
namespace {

constexpr const char* kNames[] = {kRunMarker,   "config.yaml",  "profile.json", "plan.json", "metrics.jsonl",
                                  "audit.json", "summary.json", "adapter",      "model",     "merged"};
constexpr const char* kEvents = "events.out.tfevents.";
constexpr std::string_view kCheckpoint = "checkpoint-", kTemporary = ".tmp";

bool is_checkpoint_name(const std::string& name) {
  if (!name.starts_with(kCheckpoint)) return false;
  const std::string digits = name.substr(kCheckpoint.size());
  return digits.size() >= 6 && digits.find_first_not_of("0123456789") == std::string::npos;
}

bool is_final_name(const std::string& name) {
  const auto formats = export_formats();
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) || name.starts_with(kEvents) ||
         is_checkpoint_name(name) ||
         std::any_of(formats.begin(), formats.end(), [&](const ExportFormat& format) { return format.name == name; });
}

/// What a process that was killed leaves behind: `.NAME.tmp-…` and `checkpoint-000100.tmp`.
bool is_leftover(const std::string& name) {
  if (name.ends_with(kTemporary) && is_checkpoint_name(name.substr(0, name.size() - kTemporary.size()))) return true;
  const size_t end = name.rfind(std::string(kTemporary) + "-");
  return name.starts_with('.') && end != std::string::npos && is_final_name(name.substr(1, end - 1));
}

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const Path& entry : list_folder(folder)) names.push_back(entry.filename().string());
  return names;
}

/// Whether the folder holds more than a marker and leftovers.
bool holds_something(const Path& folder) {
  const std::vector<std::string> names = names_in(folder);
  return std::any_of(names.begin(), names.end(), [](const std::string& name) { return name != kRunMarker && !is_leftover(name); });
}

void refuse_contents(const Path& folder, Start start) {
  if (start == Start::fresh) {
    throw ConfigError(folder.string() +
                      ": the output folder is not empty; use --resume to continue, --overwrite to start anew, or another output");
  }
  throw ConfigError(folder.string() + ": --overwrite empties only folders that hold a run (no " + kRunMarker + " of hellora found here)");
}

void name_strangers(const Path& folder, const std::vector<std::string>& names) {
  constexpr size_t kNamed = 5;
  if (names.empty()) return;
  const std::vector<std::string> first(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(kNamed, names.size())));
  log_warn(folder.string() + ": --overwrite leaves what no run writes: " + join(first, ", ") +
           (names.size() > kNamed ? " and " + std::to_string(names.size() - kNamed) + " more" : ""));
}

}  // namespace

bool is_run_file(const std::string& name) { return is_final_name(name) || is_leftover(name); }

Resumed find_run(const Path& resume) {
  const bool checkpoint = path_exists(resume / "state.json");
  const Path folder = checkpoint ? real_path(resume).parent_path() : resume;
  const bool run = is_folder(folder) && is_run(folder) && is_file(folder / "config.yaml");
  if (!run && !checkpoint) {
    throw DataError(resume.string() + ": no run folder or checkpoint to resume" +
                    (path_exists(resume) ? std::string(" (a run's folder holds ") + kRunMarker + " and config.yaml)" : "") +
                    "; without --resume a run starts anew");
  }
  Resumed out{run ? folder : Path(), find_checkpoint(resume)};
  log_info(out.checkpoint.empty() ? resume.string() + ": no checkpoint yet, starting from the beginning"
                                  : out.checkpoint.string() + ": continuing");
  return out;
}

RunFolder::RunFolder(Path folder, Start start) : path_(std::move(folder)), start_(start) {
  if (path_.empty()) throw ConfigError("configuration: key \"output\" is needed; set it in the file or as output=FOLDER");
  const bool there = path_exists(path_);
  if (there && !is_folder(path_)) throw ConfigError(path_.string() + ": is not a folder");
  if (there && !path_exists(path_ / kRunMarker) && holds_something(path_)) refuse_contents(path_, start_);
  lock_ = std::make_unique<RunLock>(path_);
  if (start_ == Start::fresh || !lock_->found()) {
    if (holds_something(path_)) refuse_contents(path_, start_);
  }
}

void RunFolder::begin() {
  lock_->keep();
  std::vector<std::string> strangers;
  for (const std::string& name : names_in(path_)) {
    if (name == kRunMarker) continue;
    if (is_leftover(name) || (start_ == Start::overwrite && is_run_file(name))) {
      remove_tree(path_ / name);
    } else if (start_ == Start::overwrite) {
      strangers.push_back(name);
    }
  }
  name_strangers(path_, strangers);
}

}  // namespace hellora
