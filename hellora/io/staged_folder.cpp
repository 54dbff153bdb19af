#include "hellora/io/staged_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "hellora/core/error.h"
#include "hellora/io/paths.h"

namespace hellora {
namespace {

std::string prefix_of(const Path& target) { return std::string(".").append(target.filename().string()).append(".tmp-"); }

int open_folder(const Path& folder) { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
}

/// Whether the process that made the folder still works on it. Its number alone would not do: it may belong to another process
/// by now, or to one of another container.
bool lives(const Path& folder, pid_t process) {
  const Descriptor opened(open_folder(folder));
  if (opened.get() < 0) return false;
  if (::flock(opened.get(), LOCK_EX | LOCK_NB) == 0) return false;
  if (errno == EWOULDBLOCK) return true;
  return process != ::getpid() && (::kill(process, 0) == 0 || errno == EPERM);  // a file system without locks
}

/// Removes what interrupted processes left.
void remove_stale(const Path& target) {
  const std::string prefix = prefix_of(target);
  for (const Path& path : list_folder(target.parent_path())) {
    const std::string name = path.filename().string();
    if (!name.starts_with(prefix) || !is_folder(path)) continue;
    const std::string process = name.substr(prefix.size());
    // lint: digits alone, and few of them
    if (!is_number(process) || lives(path, static_cast<pid_t>(std::stol(process)))) continue;
    remove_tree(path);
  }
}

void sync_folder(const Path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() >= 0) ::fsync(descriptor.get());  // some file systems cannot: the files themselves are synced
}

}  // namespace

StagedFolder::StagedFolder(const Path& target) : target_(real_path(target)) {
  if (target_.filename().empty()) throw DataError("cannot write " + target.string() + ": not the name of a folder");
  const Path parent = target_.parent_path();
  if (path_exists(parent) && !is_folder(parent))
    throw DataError("cannot write " + target.string() + ": " + parent.string() + " is not a folder");
  make_folder(parent);
  remove_stale(target_);
  temporary_ = target_.parent_path() / (prefix_of(target_) + std::to_string(::getpid()));
  make_folder(temporary_);
  lock_ = std::make_unique<Descriptor>(open_folder(temporary_));
  if (lock_->get() >= 0) ::flock(lock_->get(), LOCK_EX | LOCK_NB);
}

StagedFolder::~StagedFolder() {
  if (temporary_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(temporary_, ignored);
}

void StagedFolder::commit(bool replace) {
  HELLORA_CHECK(!temporary_.empty(), "committed twice: " + target_.string());
  if (replace && is_folder(target_)) {  // out of the way first, so that the place is empty for no longer than two renames
    const Path old = target_.parent_path() / (prefix_of(target_) + "old");
    remove_tree(old);
    rename_path(target_, old);
    rename_path(temporary_, target_);
    remove_tree(old);
  } else {
    rename_path(temporary_, target_);
  }
  temporary_.clear();
  sync_folder(target_.parent_path());
}

void write_staged(const Path& target, bool replace, const std::function<void(const Path& folder)>& work) {
  StagedFolder folder(target);
  const std::string hidden = folder.path().string();
  const auto named = [&](std::string message) {
    const size_t at = message.find(hidden);
    return at == std::string::npos ? message : message.replace(at, hidden.size(), target.string());
  };
  try {
    work(folder.path());
  } catch (const DataError& error) {
    throw DataError(named(error.what()));
  } catch (const CheckFailed& error) {
    throw CheckFailed(named(error.what()));
  }
  folder.commit(replace);
}

}  // namespace hellora
