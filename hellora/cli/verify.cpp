#include "hellora/cli/verify.h"

#include <filesystem>

#include "hellora/cli/table.h"
#include "hellora/cli/workspace.h"
#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"

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
  out.adapter = open_adapter(folder, model, out.shape, [&] {
    return model_hash(*load_decoder(*out.checkpoint, {at::kBFloat16, at::kFloat}));
  });
  return out;
}

void refuse_existing(const Path& folder) {
  std::error_code error;
  if (std::filesystem::exists(folder, error) &&
      !(std::filesystem::is_directory(folder, error) && std::filesystem::is_empty(folder, error))) {
    throw ConfigError("--out " + folder.string() + ": exists already; choose a new folder");
  }
}

MergeReport verify_merge(const AdaptedModel& model, const Path& merged) {
  const Checkpoint written(merged);
  const MergeReport report = check_merged(*model.checkpoint, model.shape, *model.adapter.adapters, written);
  if (!report.passed()) {
    throw CheckFailed(merged.string() + ": " + report.first_wrong + " is not what the adapter says (" + with_commas(report.wrong_bytes) +
                      " elements differ from round(fp32(W) + ΔW))");
  }
  log_info(merged.string() + ": all " + with_commas(report.modules) +
           " adapted modules found, stored = round(fp32(W) + ΔW) in every element of " + with_commas(report.tensors) +
           " tensors; rounding loss " + percent(report.rounding_loss, 2) + " of ΔW");
  if (report.rounding_loss > kRoundingWarning) {
    log_warn("rounding to the stored dtype loses " + percent(report.rounding_loss) + " of the change (worst: " + report.largest_where +
             ", " + percent(report.largest_loss) + "); --dtype fp32 keeps it");
  }
  return report;
}

ChangeDifference verify_export(const AdaptedModel& model, const ExportFormat& format, const Path& exported) {
  const ChangeDifference difference = compare_export(format, exported, *model.adapter.adapters, model.shape);
  if (difference.largest > kExportTolerance) {
    throw CheckFailed(exported.string() + ": the change of " + difference.where + " differs from the adapter's (relative difference " +
                      fixed(difference.largest, 8) + ")");
  }
  log_info(exported.string() + ": " + std::string(format.name) + ", the weight change of all " + with_commas(difference.modules) +
           " adapted modules equals the adapter's (largest relative difference " + fixed(difference.largest * 1e9, 2) + "e-9)");
  return difference;
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
              {"largest_relative_difference", difference.largest}};
}

}  // namespace hellora
