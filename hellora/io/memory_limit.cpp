#include "hellora/io/memory_limit.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "hellora/core/error.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

/// Nothing where there is no such file, or no permission: then nothing is known of it.
std::string text_or_empty(const Path& file) {
  try {
    return read_text(file);
  } catch (const Error&) {
    return {};
  }
}

/// The number that the text begins with; nothing for "max" and other words, and beyond 63 bits.
std::optional<int64_t> leading_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

bool names(const std::string& list, std::string_view word) {
  const std::vector<std::string> words = split(list, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// A hierarchy of control groups that can limit memory: where it is mounted, which group the mount shows as its root, its files.
struct Hierarchy {
  Path mount;
  std::string root;
  bool second;  // version
};

/// A line of /proc/self/mountinfo: "ID PARENT DEVICE ROOT MOUNT OPTIONS [TAGS…] - TYPE SOURCE SUPER_OPTIONS".
std::optional<Hierarchy> read_mount(const std::string& line) {
  const size_t dash = line.find(" - ");
  if (dash == std::string::npos) return std::nullopt;
  const std::vector<std::string> left = split(std::string_view(line).substr(0, dash), ' ');
  const std::vector<std::string> right = split(std::string_view(line).substr(dash + 3), ' ');
  if (left.size() < 6 || right.size() < 3) return std::nullopt;
  const bool second = right[0] == "cgroup2", first = right[0] == "cgroup" && names(right[2], "memory");
  if (!first && !second) return std::nullopt;
  return Hierarchy{left[4], left[3], second};
}

/// The process's group in a hierarchy, from a line "NUMBER:CONTROLLERS:GROUP" of /proc/self/cgroup ("0::GROUP" in version 2).
std::string group_of(const std::string& lines, bool second) {
  for (const std::string& line : split(lines, '\n')) {
    const size_t one = line.find(':'), two = one == std::string::npos ? one : line.find(':', one + 1);
    if (two == std::string::npos) continue;
    const std::string controllers = line.substr(one + 1, two - one - 1);
    if (second ? controllers.empty() : names(controllers, "memory")) return line.substr(two + 1);
  }
  return "/";
}

/// The group as the mount shows it: a container often sees its own group as the root, and a group outside of it not at all.
Path shown_group(const Hierarchy& hierarchy, const std::string& group) {
  Path shown = group;
  if (hierarchy.root != "/") shown = shown.lexically_relative(hierarchy.root);
  shown = shown.relative_path().lexically_normal();
  return shown.empty() || *shown.begin() == ".." ? Path(".") : shown;
}

void take_limits(const Path& root, const Hierarchy& hierarchy, const Path& group, MemoryLimit* least) {
  static const std::vector<std::string> kFirst = {"memory.limit_in_bytes"}, kSecond = {"memory.max", "memory.high"};
  for (const std::string& name : hierarchy.second ? kSecond : kFirst) {
    const Path file = (hierarchy.mount / group / name).lexically_normal();
    const std::optional<int64_t> limit = leading_number(text_or_empty(root / file.relative_path()));
    if (limit && *limit > 0 && (least->bytes == 0 || *limit < least->bytes)) *least = {*limit, file.string()};
  }
}

}  // namespace

int64_t proc_bytes(const Path& file, std::string_view name) {
  for (const std::string& line : split(text_or_empty(file), '\n')) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    return leading_number(trim(std::string_view(line).substr(name.size() + 1))).value_or(0) * 1024;
  }
  return 0;
}

MemoryLimit memory_limit(const Path& root) {
  MemoryLimit least{proc_bytes(root / "proc/meminfo", "MemTotal"), ""};
  const std::string groups = text_or_empty(root / "proc/self/cgroup");
  for (const std::string& line : split(text_or_empty(root / "proc/self/mountinfo"), '\n')) {
    const std::optional<Hierarchy> hierarchy = read_mount(line);
    if (!hierarchy) continue;
    // A group can take no more than the ones above it.
    for (Path group = shown_group(*hierarchy, group_of(groups, hierarchy->second)); !group.empty(); group = group.parent_path())
      take_limits(root, *hierarchy, group, &least);
    take_limits(root, *hierarchy, ".", &least);
  }
  return least;
}

std::string describe(const MemoryLimit& limit) {
  const std::string bytes = human_bytes(static_cast<double>(limit.bytes));
  return limit.file.empty() ? "the machine has " + bytes : "the container's limit is " + bytes + " (" + limit.file + ")";
}

}  // namespace hellora
