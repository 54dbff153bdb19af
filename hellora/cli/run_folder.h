// The output folder of a run: what may be written into it, and where a run goes on.
#pragma once

#include "hellora/io/files.h"

namespace hellora {

/// The checkpoint to go on from; empty when the run was stopped before its first one. DataError: nothing there.
Path find_resumed(const Path& resume);

/// Whether the run folder or checkpoint to resume is that of the output.
bool lies_in(const Path& resume, const Path& output);

/// Refuses a folder that holds something, unless `resume`, or `overwrite` and it holds a run.
void check_output(const Path& folder, bool overwrite, bool resume);

/// Makes the folder, and empties it if `overwrite`.
void make_output(const Path& folder, bool overwrite, bool resume);

}  // namespace hellora
