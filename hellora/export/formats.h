// Adapter formats of other tools. A table: a format is one file and one row.
#pragma once

#include <span>
#include <string_view>

#include "hellora/export/modules.h"
#include "hellora/model/adapter_dir.h"

namespace hellora {

struct ExportFormat {
  std::string_view name, summary;
  void (*write)(const Path& folder, const AdapterSet& adapters, const AdapterOrigin& origin, const ModelShape& shape);
  /// Rebuilds the weight change of every expert and module in the file, in fp64, independently of `write`:
  /// calls visit(path, ΔW). FormatError for a file that does not follow the format.
  void (*read)(const Path& folder, const ModelShape& shape,
               const std::function<void(const std::string& path, const Tensor& change)>& visit);
};

std::span<const ExportFormat> export_formats();
const ExportFormat& find_export(const std::string& name);

/// The format of an exported folder by its target parameters and its keys: fused keys or one set per expert.
const ExportFormat& detect_export(const Path& folder);

/// Compares every ΔW of the exported folder with the adapter's. A module that only the export has must be zero.
ChangeDifference compare_export(const ExportFormat& format, const Path& folder, const AdapterSet& adapters, const ModelShape& shape);

/// Every pair of factors at one rank and one scale, for formats that know only one: pairs are padded with zero rows, and
/// a different scale is folded into B.
struct UniformPairs {
  int64_t rank = 0;
  double alpha = 0, scale = 0;  // scale = alpha / rank
  const Modules* modules = nullptr;
  /// (rank, in) and (out, rank) in fp32; zeros for a module without adapter.
  std::pair<Tensor, Tensor> pair(const std::string& path, int64_t in, int64_t out) const;
};
UniformPairs uniform_pairs(const Modules& modules);

/// Slots that have an adapted module, each with its layer numbers (-1 outside the layers) and sizes.
struct AdaptedSlot {
  Slot slot;
  int64_t in = 0, out = 0;
};
std::vector<AdaptedSlot> adapted_slots(const AdapterSet& adapters);
bool adapted(const std::vector<AdaptedSlot>& slots, Slot slot);

/// Paths of every module of the slot, whether adapted or not.
std::vector<std::string> slot_paths(const ModelShape& shape, Slot slot);
/// PEFT's target_modules: short names ("q_proj") where they match nothing else, full paths otherwise.
std::vector<std::string> target_modules(const ModelShape& shape, const std::vector<AdaptedSlot>& slots);
/// What follows the last dot.
std::string last_part(std::string_view path);

}  // namespace hellora
