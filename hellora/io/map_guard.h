// Mapped files that become shorter while they are read: the system answers with SIGBUS, the program with one line and exit code 2.
#pragma once

#include <cstddef>
#include <span>

#include "hellora/io/files.h"

namespace hellora {

/// From now on a fault inside a watched map ends the program with "error: cannot read PATH: …" and exit code 2.
void install_map_guard();

/// Called by who maps a file, and before it is unmapped.
void watch_map(std::span<const std::byte> map, const Path& path);
void forget_map(const std::byte* begin);

/// DataError when the bytes are of a watched map: a system call could not read them.
void check_map(std::span<const std::byte> bytes);

}  // namespace hellora
