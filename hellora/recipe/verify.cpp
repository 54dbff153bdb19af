#include "hellora/recipe/verify.h"

#include "hellora/core/error.h"
#include "hellora/core/finite.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/export/same_settings.h"
#include "hellora/io/paths.h"
#include "hellora/io/staged_folder.h"
#include "hellora/model/stored.h"
#include "hellora/recipe/table.h"
#include "hellora/recipe/workspace.h"

namespace hellora {
namespace {

constexpr double kRoundingWarning = 0.1;
constexpr double kExportTolerance = 1e-6;  // a folded scale rounds once in fp32

}  // namespace

AdaptedModel open_adapted(const Path& model, const Path& adapter) {
  const Path folder = find_adapter(adapter);
  AdaptedModel out;
  out.checkpoint = std::make_unique<Checkpoint>(model);
  out.shape = read_shape(out.checkpoint->config(), (model / "config.json").string());
  out.adapter = open_adapter(folder, model, out.shape, [&] { return model_hash(out.shape, content_hash(*out.checkpoint, out.shape)); });
  require_finite(*out.adapter.adapters, folder.string());
  return out;
}

void refuse_existing(const Path& folder) {
  if (path_exists(folder) && !(is_folder(folder) && list_folder(folder).empty())) {
    throw ConfigError("--out " + folder.string() + ": exists already; choose a new folder");
  }
}

MergeReport verify_merge(const AdaptedModel& model, const Path& merged, const Path& shown) {
  const Checkpoint written(merged);
  const MergeReport report = check_merged(*model.checkpoint, model.shape, *model.adapter.adapters, written);
  if (!report.passed()) {
    throw CheckFailed(shown.string() + ": " + report.first_wrong + " is not what the adapter says (" + with_commas(report.wrong_bytes) +
                      " elements differ from round(fp32(W) + ΔW))");
  }
  const std::string difference = settings_difference(model.checkpoint->folder(), merged);
  if (!difference.empty()) throw CheckFailed(shown.string() + ": " + difference);
  finite(report.rounding_loss, shown.string() + ": the rounding loss");
  log_info(shown.string() + ": all " + with_commas(report.modules) +
           " adapted modules found, stored = round(fp32(W) + ΔW) in every element of " + with_commas(report.tensors) +
           " tensors; rounding loss " + percent(report.rounding_loss, 2) + " of ΔW");
  if (!(report.rounding_loss <= kRoundingWarning)) {
    log_warn("rounding to the stored dtype loses " + percent(report.rounding_loss) + " of the change (worst: " + report.largest_where +
             ", " + percent(report.largest_loss) + "); --dtype fp32 keeps it");
  }
  return report;
}

ChangeDifference verify_export(const AdaptedModel& model, const ExportFormat& format, const Path& exported, const Path& shown) {
  const ChangeDifference difference = compare_export(format, exported, *model.adapter.adapters, model.shape);
  if (!(difference.largest <= kExportTolerance)) {
    throw CheckFailed(shown.string() + ": the change of " + difference.where + " differs from the adapter's (relative difference " +
                      fixed(difference.largest, 8) + ")");
  }
  finite(difference.rounding_loss, shown.string() + ": the rounding loss");
  const bool rounds = difference.rounding_loss > 0;
  log_info(shown.string() + ": " + std::string(format.name) + ", the weight change of all " + with_commas(difference.modules) +
           " adapted modules equals the adapter's" + (rounds ? " rounded to the file's dtype" : "") + " (largest relative difference " +
           fixed(difference.largest * 1e9, 2) + "e-9)" +
           (rounds ? "; rounding the factors loses " + percent(difference.rounding_loss, 2) + " of ΔW" : ""));
  if (!(difference.rounding_loss <= kRoundingWarning)) {
    log_warn("rounding the factors loses " + percent(difference.rounding_loss) + " of the change; --dtype fp32 keeps it");
  }
  return difference;
}

ExportSettings export_settings(const AdaptedModel& model, const std::string& name, at::ScalarType dtype) {
  return {name.empty() ? real_path(model.checkpoint->folder()).string() : name, dtype};
}

MergeReport write_merge(const AdaptedModel& model, const Path& out, bool fp32, bool replace) {
  MergeReport report;
  write_staged(out, replace, [&](const Path& folder) {
    merge_model(*model.checkpoint, model.shape, *model.adapter.adapters, folder, fp32);
    report = verify_merge(model, folder, out);
  });
  return report;
}

ChangeDifference write_export(const AdaptedModel& model, const ExportFormat& format, const ExportSettings& settings, const Path& out,
                              bool replace) {
  ChangeDifference difference;
  write_staged(out, replace, [&](const Path& folder) {
    format.write(folder, *model.adapter.adapters, settings, model.shape);
    difference = verify_export(model, format, folder, out);
  });
  return difference;
}

void write_exports(const std::vector<std::string>& names, const Path& model, const Path& adapter, const Path& output,
                   const std::function<void(const std::string& name)>& before) {
  if (names.empty()) return;
  const AdaptedModel adapted = open_adapted(model, adapter);
  for (const std::string& name : names) {
    before(name);
    if (name == "merged") {
      write_merge(adapted, output / name, false, true);
    } else {
      write_export(adapted, find_export(name), export_settings(adapted), output / name, true);
    }
  }
}

Json merge_json(const MergeReport& report, const Path& folder) {
  return Json{{"merged", folder.string()},
              {"modules", report.modules},
              {"tensors", report.tensors},
              {"wrong_elements", report.wrong_bytes},
              {"rounding_loss", report.rounding_loss},
              {"largest_rounding_loss", report.largest_loss},
              {"largest_at", report.largest_where}};
}

Json export_json(const ChangeDifference& difference, const ExportFormat& format, const Path& folder) {
  return Json{{"exported", folder.string()},
              {"format", std::string(format.name)},
              {"modules", difference.modules},
              {"largest_relative_difference", difference.largest},
              {"rounding_loss", difference.rounding_loss}};
}

}  // namespace hellora
