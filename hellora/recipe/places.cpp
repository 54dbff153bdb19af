#include "hellora/recipe/places.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"
#include "hellora/io/paths.h"

namespace hellora {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// "name" or "org/name" in the hub's letters.
bool hub_name(const std::string& text, bool with_owner) {
  const std::vector<std::string> parts = split(text, '/');
  if (parts.empty() || parts.size() > 2 || (with_owner && parts.size() != 2)) return false;
  return std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
    return !part.empty() && part.size() <= 96 && part.front() != '.' && part.front() != '-' &&
           std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; });
  });
}

/// As huggingface_hub finds it; empty without a home.
Path hub_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string given = environment(name); !given.empty()) return expand_home(given, name);
  }
  if (const std::string home = environment("HF_HOME"); !home.empty()) return Path(expand_home(home, "HF_HOME")) / "hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) return Path(cache) / "huggingface" / "hub";
  const std::string home = environment("HOME");
  return home.empty() ? Path() : Path(home) / ".cache" / "huggingface" / "hub";
}

/// The snapshot of a cache folder that refs/main names, or the only one.
Path snapshot_of(const Path& cached, const std::string& where) {
  const Path snapshots = cached / "snapshots", main = cached / "refs" / "main";
  if (is_file(main)) {
    const std::string hash = trim(read_text(main));
    if (!hash.empty() && hash.find('/') == std::string::npos && is_folder(snapshots / hash)) return snapshots / hash;
  }
  const std::vector<Path> all = list_folder(snapshots);
  if (all.size() == 1 && is_folder(all[0])) return all[0];
  throw ConfigError(where + ": " + printable(snapshots.string()) + " holds " +
                    (all.empty() ? "no snapshot" : "several snapshots; name one of its folders") +
                    (all.empty() ? ": the download was not finished" : ""));
}

std::string found(const Path& cached, const std::string& where) {
  const Path snapshot = snapshot_of(cached, where);
  log_info(where + ": read from " + printable(snapshot.string()));
  return snapshot.string();
}

}  // namespace

std::string expand_home(const std::string& text, const std::string& where) {
  if (!text.starts_with('~')) return text;
  if (text.size() > 1 && text[1] != '/')
    throw ConfigError(where + ": " + printable(text) + ": homes of other users are not looked up; write the whole path (or ./" +
                      printable(text) + ")");
  const std::string home = environment("HOME");
  if (home.empty()) throw ConfigError(where + ": " + printable(text) + ": $HOME is not set; write the whole path");
  return home + text.substr(1);
}

std::string find_place(const std::string& text, const std::string& where) {
  if (text.empty()) return text;
  const std::string path = expand_home(text, where);
  if (path_exists(path)) {
    const bool cached = is_folder(path) && !path_exists(Path(path) / "config.json") && !path_exists(Path(path) / "adapter_config.json") &&
                        is_folder(Path(path) / "snapshots");
    return cached ? found(path, where) : path;
  }
  if (!hub_name(path, false)) return path;
  const Path cache = hub_cache();
  std::string name = path;
  if (const size_t slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  if (const Path cached = cache / ("models--" + name); !cache.empty() && is_folder(cached)) return found(cached, where);
  if (!hub_name(path, true)) return path;
  throw ConfigError(where + ": there is no folder " + printable(path) + ", and the hub's cache " +
                    (cache.empty() ? "" : printable(cache.string()) + " ") + "does not hold it; a local folder is needed: hf download " +
                    path + " --local-dir FOLDER, then name FOLDER");
}

void check_data_file(const std::string& text, const std::string& where) {
  if (text.empty()) throw ConfigError(where + ": an empty file name");
  if (is_folder(text))
    throw ConfigError(where + ": " + printable(text) + " is a folder; name its files, e.g. " +
                      printable((Path(text) / "train.jsonl").string()));
  if (path_exists(text) || !hub_name(text, true) || Path(text).has_extension()) return;
  throw ConfigError(where + ": there is no file " + printable(text) +
                    "; data sets of the hub are not downloaded: a local JSON Lines file is needed (datasets: load_dataset(\"" + text +
                    "\")[\"train\"].to_json(\"train.jsonl\"))");
}

}  // namespace hellora
