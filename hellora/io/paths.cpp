#include "hellora/io/paths.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "hellora/core/error.h"
#include "hellora/io/descriptor.h"

namespace hellora {
namespace {

/// False when nothing is there.
bool look(const Path& path, struct stat& status) {
  if (path.empty()) return false;
  if (::stat(system_name("read", path), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  system_error("read", path, errno);
}

void refuse(const char* verb, const Path& path, const std::error_code& error) {
  if (error) system_error(verb, path, error.value());
}

}  // namespace

bool path_exists(const Path& path) {
  struct stat status {};
  return look(path, status);
}

bool is_folder(const Path& path) {
  struct stat status {};
  return look(path, status) && S_ISDIR(status.st_mode);
}

bool is_file(const Path& path) {
  struct stat status {};
  return look(path, status) && S_ISREG(status.st_mode);
}

std::vector<Path> list_folder(const Path& folder) {
  std::vector<Path> out;
  std::error_code error;
  auto entry = std::filesystem::directory_iterator(system_name("read", folder), error);
  refuse("read", folder, error);
  while (entry != std::filesystem::directory_iterator()) {
    out.push_back(entry->path());
    entry.increment(error);
    refuse("read", folder, error);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool same_place(const Path& a, const Path& b) {
  struct stat first {
  }, second{};
  return look(a, first) && look(b, second) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

Path real_path(const Path& path) {
  std::error_code error;
  Path real = std::filesystem::weakly_canonical(system_name("read", path), error);
  refuse("read", path, error);
  if (real.is_relative()) {  // of a relative path whose first part is not there, weakly_canonical leaves a relative one
    real = std::filesystem::absolute(real, error);
    refuse("read", path, error);
  }
  real = real.lexically_normal();
  return real.has_filename() || !real.has_relative_path() ? real : real.parent_path();
}

bool lies_inside(const Path& path, const Path& folder) {
  const Path inner = real_path(path), outer = real_path(folder);
  const auto [rest, unused] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return rest == outer.end();
}

void rename_path(const Path& from, const Path& to) {
  if (std::rename(system_name("write", from), system_name("write", to)) != 0) system_error("write", to, errno);
}

void remove_path(const Path& path) {
  std::error_code error;
  std::filesystem::remove(system_name("remove", path), error);
  refuse("remove", path, error);
}

void remove_tree(const Path& path) {
  std::error_code error;
  std::filesystem::remove_all(system_name("remove", path), error);
  refuse("remove", path, error);
}

}  // namespace hellora
