#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/printable.h"
#include "hellora/io/descriptor.h"
#include "hellora/io/paths.h"
#include "hellora/recipe/run_folder.h"

namespace hellora {
namespace {

constexpr std::string_view kFormat = "hellora.run/1 ";
constexpr std::string_view kHeld = "held by ";

/// The start of the marker, whatever else it holds.
std::string head(int descriptor) {
  std::string text(512, '\0');
  const ssize_t got = ::pread(descriptor, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "an unknown host";
}

/// The folders that are missing on the way to `folder`, the outermost first.
std::vector<Path> missing_folders(const Path& folder) {
  std::vector<Path> missing;
  for (Path at = real_path(folder); !at.empty() && !path_exists(at) && at.has_relative_path(); at = at.parent_path()) missing.push_back(at);
  return {missing.rbegin(), missing.rend()};
}

}  // namespace

bool is_run(const Path& folder) {
  const Path marker = folder / kRunMarker;
  return is_file(marker) && read_text(marker).starts_with(kFormat);
}

RunLock::RunLock(const Path& folder) : folder_(folder), made_(missing_folders(folder)) {
  make_folder(folder);
  const Path marker = folder / kRunMarker;
  take(marker);
  try {
    found_ = read_marker(marker);
    write_marker(marker);
  } catch (...) {
    let_go();
    throw;
  }
}

RunLock::~RunLock() { let_go(); }

/// The file that is locked must be the one that lies there: another process may have removed it in between.
void RunLock::take(const Path& marker) {
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    made_marker_ = !path_exists(marker);
    // lint: a lock wants its descriptor, and errors name the path below
    descriptor_ = ::open(marker.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (descriptor_ < 0) system_error("write", marker, errno);
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) refuse_held(marker);
      log_warn(marker.string() + ": this file system has no locks; take care that no other run writes here");
      return;
    }
    struct stat held {
    }, there{};
    if (::fstat(descriptor_, &held) == 0 && ::stat(marker.c_str(), &there) == 0 && held.st_ino == there.st_ino &&
        held.st_dev == there.st_dev)
      return;
    ::close(descriptor_);
    descriptor_ = -1;
  }
  throw StateError(marker.string() + ": cannot be locked");
}

void RunLock::refuse_held(const Path& marker) {
  const std::string text = head(descriptor_);
  ::close(descriptor_);
  const size_t line = text.find(kHeld);
  const std::string who =
      line == std::string::npos ? "another process" : text.substr(line + kHeld.size(), text.find('\n', line) - line - kHeld.size());
  throw StateError(marker.parent_path().string() + ": in use by " + printable(who) + "; take another output, or wait for its end");
}

bool RunLock::read_marker(const Path& marker) {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) throw StateError(marker.string() + ": is no regular file");
  const std::string text = head(descriptor_);
  if (text.empty()) return false;
  if (!text.starts_with(kFormat) || text.find('\n') == std::string::npos)
    throw StateError(marker.string() + ": was not written by hellora");
  marker_bytes_ = static_cast<int64_t>(text.find('\n')) + 1;
  return true;
}

void RunLock::write_marker(const Path& marker) {
  std::string text;
  if (!found_) {
    text = std::string(kFormat) + HELLORA_VERSION + "\n";
    marker_bytes_ = static_cast<int64_t>(text.size());
  } else {
    text = head(descriptor_).substr(0, static_cast<size_t>(marker_bytes_));
  }
  text += std::string(kHeld) + "process " + std::to_string(::getpid()) + " on " + host_name() + "\n";
  if (::ftruncate(descriptor_, 0) != 0 || ::lseek(descriptor_, 0, SEEK_SET) != 0) system_error("write", marker, errno);
  write_all(descriptor_, as_byte_span(text), marker);
}

void RunLock::let_go() {
  if (keep_ || (found_ && !made_marker_)) {
    [[maybe_unused]] const int cut = ::ftruncate(descriptor_, marker_bytes_);  // no process holds it any more
  } else if (made_marker_) {
    ::unlink((folder_ / kRunMarker).c_str());
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) ::rmdir(made->c_str());  // those that stayed empty
  }
  ::close(descriptor_);
}

}  // namespace hellora
