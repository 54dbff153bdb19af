// A folder that appears whole or not at all: written beside its place under a hidden name, then renamed.
#pragma once

#include <functional>
#include <memory>

#include "hellora/io/descriptor.h"
#include "hellora/io/files.h"

namespace hellora {

/// The temporary folder `.NAME.tmp-PROCESS` beside the target. It is removed unless commit() was reached; those that processes
/// left behind that no longer live are removed when the next one for the same target is made.
class StagedFolder {
 public:
  /// DataError when the folder cannot be made. What lies at `target` stays as it is until commit().
  explicit StagedFolder(const Path& target);
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;
  ~StagedFolder();

  const Path& path() const { return temporary_; }
  /// Takes the target's place, which must be free or an empty folder; with `replace` an older folder there is removed.
  void commit(bool replace = false);

 private:
  Path target_, temporary_;
  std::unique_ptr<Descriptor> lock_;  // held while this process works on the folder
};

/// Fills a staged folder with `work` and commits it. Errors about files in it name them as they would be called at `target`.
void write_staged(const Path& target, bool replace, const std::function<void(const Path& folder)>& work);

}  // namespace hellora
