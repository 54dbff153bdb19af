// Questions about paths, and moving and removing: std::filesystem without its exceptions. Where the system will not answer
// (no permission, a link to itself, a name too long), each is a DataError "cannot VERB PATH: reason".
#pragma once

#include <vector>

#include "hellora/io/files.h"

namespace hellora {

/// True when something is there, links followed; false when nothing is.
bool path_exists(const Path& path);
/// True for a folder, or a link to one.
bool is_folder(const Path& path);
/// True for a regular file, or a link to one; a pipe or a device is none.
bool is_file(const Path& path);
/// The entries of a folder, sorted by name, each with the folder in front.
std::vector<Path> list_folder(const Path& folder);
/// True when both are there and are the same file or folder.
bool same_place(const Path& a, const Path& b);
/// The absolute path without links or dots; what is not there yet is taken as it is written.
Path real_path(const Path& path);
/// True when `path` is `folder` or lies inside it, whether it exists or not.
bool lies_inside(const Path& path, const Path& folder);
/// Atomic within one file system; replaces a file.
void rename_path(const Path& from, const Path& to);
/// Removes a file, link or empty folder; nothing to remove is fine.
void remove_path(const Path& path);
/// Removes a folder with all that is in it, links themselves and not what they point at; nothing to remove is fine.
void remove_tree(const Path& path);

}  // namespace hellora
