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

/// The base is hashed from the file, piece by piece. StateError when the adapter was made for another base, CheckFailed when it
/// holds a value that is not finite.
AdaptedModel open_adapted(const Path& model, const Path& adapter);

/// Refuses a folder that holds something.
void refuse_existing(const Path& folder);

/// Compare what was written with the adapter, log the result under the name `shown`, warn about a rounding loss above 0.1;
/// CheckFailed names the first difference.
MergeReport verify_merge(const AdaptedModel& model, const Path& merged, const Path& shown);
ChangeDifference verify_export(const AdaptedModel& model, const ExportFormat& format, const Path& exported, const Path& shown);

/// What an export says of its base: `name`, or else the model's absolute path.
ExportSettings export_settings(const AdaptedModel& model, const std::string& name = "", at::ScalarType dtype = at::kFloat);

/// Write into a temporary folder beside `out`, verify there, then rename: nothing that failed its check is ever found at `out`.
/// With `replace` an older result there gives way.
MergeReport write_merge(const AdaptedModel& model, const Path& out, bool fp32, bool replace = false);
ChangeDifference write_export(const AdaptedModel& model, const ExportFormat& format, const ExportSettings& settings, const Path& out,
                              bool replace = false);

/// What `export:` of a run asks for ("merged" or the name of a format), each into its folder of `output`.
/// `before` is called in front of each, and may throw.
void write_exports(const std::vector<std::string>& names, const Path& model, const Path& adapter, const Path& output,
                   const std::function<void(const std::string& name)>& before);

Json merge_json(const MergeReport& report, const Path& folder);
Json export_json(const ChangeDifference& difference, const ExportFormat& format, const Path& folder);

}  // namespace hellora
