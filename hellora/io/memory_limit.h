// How much memory there is: the machine's, or less where a container (a control group, version 1 or 2) may take only so much.
#pragma once

#include <cstdint>
#include <string>

#include "hellora/io/files.h"

namespace hellora {

struct MemoryLimit {
  int64_t bytes = 0;  // 0: unknown
  std::string file;   // of the control group that sets it; empty: it is the machine's
};

/// Looks below `root` (tests give a folder): the installed memory and the limits of the process's own control group and of all above
/// it. A limit beyond the installed memory is none.
MemoryLimit memory_limit(const Path& root = "/");

/// "the machine has 23.50 GiB" or "the container's limit is 150.00 MiB (FILE)".
std::string describe(const MemoryLimit& limit);

/// A "Name:  1234 kB" line of /proc/self/status or /proc/meminfo, in bytes; 0 when it is not there.
int64_t proc_bytes(const Path& file, std::string_view name);

}  // namespace hellora
