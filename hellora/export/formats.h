// Adapter formats of other tools. A table: a format is one file and one row.
#pragma once

#include <span>
#include <string_view>

#include "hellora/export/modules.h"
#include "hellora/model/adapter_dir.h"

namespace hellora {

/// What an export carries beside the factors, and how it stores them.
struct ExportSettings {
  std::string base;                   // base_model_name_or_path
  at::ScalarType dtype = at::kFloat;  // of the factors: fp32 or bf16
};

/// A weight change as the factors of an exported file give it: ΔW = B A · scale, transposed for an embedding.
struct FileChange {
  Tensor a_RI, b_OR;  // fp64
  double scale = 1;
  bool embedding = false;
  at::ScalarType stored = at::kFloat;  // dtype in the file
  Tensor whole() const;
};

using VisitChange = std::function<void(const std::string& path, const FileChange& change)>;

struct ExportFormat {
  std::string_view name;
  void (*write)(const Path& folder, const AdapterSet& adapters, const ExportSettings& settings, const ModelShape& shape);
  /// The weight change of every expert and module in the file, read independently of `write`. FormatError for a file that does
  /// not follow the format or does not fit the model, CheckFailed for values that are not finite.
  void (*read)(const Path& folder, const ModelShape& shape, const VisitChange& visit);
};

/// What people are told about a folder that hellora writes: who reads it, and what they need.
struct FormatText {
  std::string_view name, made_by, readers, needs;
};
/// Every format of the table below, the native adapter and a merge.
std::span<const FormatText> format_texts();
const FormatText& find_format_text(std::string_view name);

std::span<const ExportFormat> export_formats();
const ExportFormat& find_export(const std::string& name);

/// The format of an exported folder by its target parameters and its keys: fused keys or one set per expert.
const ExportFormat& detect_export(const Path& folder);

/// Compares every ΔW of the exported folder with the adapter's, whose factors are rounded first where the file holds 16-bit ones.
/// A module that only the export has must be zero.
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
