// Proofs that a merge or an export means the same as its adapter; `merge`, `export`, `check` and `run` share them.
#pragma once

#include "hellora/export/formats.h"
#include "hellora/export/merge.h"

namespace hellora {

/// A model folder and an adapter that belongs to it; the weights stay in the file.
struct AdaptedModel {
  std::unique_ptr<Checkpoint> checkpoint;
  ModelShape shape;
  LoadedAdapter adapter;
};

/// StateError when the adapter was made for another base.
AdaptedModel open_adapted(const Path& model, const Path& adapter);

/// Refuses a folder that holds something.
void refuse_existing(const Path& folder);

/// Compare what was written with the adapter, log the result, warn about a rounding loss above 0.1; CheckFailed names
/// the first difference.
MergeReport verify_merge(const AdaptedModel& model, const Path& merged);
ChangeDifference verify_export(const AdaptedModel& model, const ExportFormat& format, const Path& exported);

Json merge_json(const MergeReport& report, const Path& folder);
Json export_json(const ChangeDifference& difference, const ExportFormat& format, const Path& folder);

}  // namespace hellora
