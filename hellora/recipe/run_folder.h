// The output folder of a run: held by one process at a time, marked as a run, and emptied of nothing but a run's own files.
#pragma once

#include <memory>
#include <vector>

#include "hellora/io/files.h"

namespace hellora {

/// The file that makes a folder a run. Only hellora writes it; the running process holds a lock on it.
inline constexpr const char* kRunMarker = "hellora.run";

/// True when the folder holds hellora's marker.
bool is_run(const Path& folder);

/// True for the names of what a run writes into its folder, leftovers of a killed one included.
bool is_run_file(const std::string& name);

/// A run to go on with.
struct Resumed {
  Path folder;      // the run's folder; empty for a checkpoint that lies alone
  Path checkpoint;  // empty when the run was stopped before its first one
};

/// The run or checkpoint that --resume names. DataError: it is neither.
Resumed find_run(const Path& resume);

enum class Start { fresh, overwrite, resume };

/// Holds the lock from its making to its end; the system releases it when the process dies, however it dies.
class RunLock {
 public:
  /// Makes the folder and the marker where they are missing. StateError: another process holds it.
  explicit RunLock(const Path& folder);
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  /// Marker and folder go again if they were made here and keep() was not called.
  ~RunLock();
  void keep() { keep_ = true; }
  /// Whether the marker was there before.
  bool found() const { return found_; }

 private:
  void take(const Path& marker);
  bool read_marker(const Path& marker);
  void write_marker(const Path& marker);
  [[noreturn]] void refuse_held(const Path& marker);
  void let_go();

  Path folder_;
  std::vector<Path> made_;  // folders, the outermost first
  int descriptor_ = -1;
  bool made_marker_ = false, found_ = false, keep_ = false;
  int64_t marker_bytes_ = 0;  // without the line about the process that holds it
};

/// The output of a run.
class RunFolder {
 public:
  /// Takes the folder before anything is read or written. ConfigError: it holds something and is not to be resumed or overwritten,
  /// or --overwrite would not find a run there.
  RunFolder(Path folder, Start start);

  const Path& path() const { return path_; }
  /// The input is good, the run begins: removes an older run that is to be overwritten, and what killed processes left. Files that are
  /// no run's stay and are named.
  void begin();

 private:
  Path path_;
  Start start_;
  std::unique_ptr<RunLock> lock_;
};

}  // namespace hellora
