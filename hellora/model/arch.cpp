#include "hellora/model/arch.h"

#include <array>

#include "hellora/core/error.h"
#include "hellora/core/text.h"

namespace hellora {

extern const Arch kOlmoe;
ModelShape olmoe_1b_7b();

namespace {

const std::array<Arch, 1>& arch_table() {
  static const std::array<Arch, 1> table = {kOlmoe};
  return table;
}

constexpr std::array<Preset, 1> kPresets = {{{"olmoe-1b-7b", olmoe_1b_7b}}};

void replace(std::string& text, std::string_view mark, int64_t number) {
  const size_t at = text.find(mark);
  if (at != std::string::npos) text.replace(at, mark.size(), std::to_string(number));
}

}  // namespace

std::span<const Arch> archs() { return arch_table(); }
std::span<const Preset> presets() { return kPresets; }

const Arch& find_arch(const std::string& model_type, const std::string& where) {
  std::vector<std::string> names;
  for (const Arch& arch : archs()) {
    if (arch.model_type == model_type) return arch;
    names.emplace_back(arch.model_type);
  }
  throw FormatError(where + ": model_type \"" + model_type + "\" is not known; known: " + join(names, ", "));
}

ModelShape find_preset(const std::string& name) {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) {
    if (preset.name == name) return preset.shape();
    names.emplace_back(preset.name);
  }
  throw ConfigError("--arch: unknown model \"" + name + "\"; known: " + join(names, ", "));
}

ModelShape read_shape(const Json& config, const std::string& where) {
  if (has(config, "quantization_config")) {
    throw FormatError(where + ": quantization_config is set; hellora reads unquantised bf16, fp16 or fp32 checkpoints");
  }
  return find_arch(string_member(config, "model_type", where), where).shape(config, where);
}

std::string fill_pattern(std::string_view pattern, int64_t layer, int64_t expert) {
  std::string text(pattern);
  replace(text, "{L}", layer);
  replace(text, "{E}", expert);
  return text;
}

bool has_slot(const Arch& arch, Slot slot) {
  for (const SlotPath& row : arch.paths) {
    if (row.slot == slot) return true;
  }
  return false;
}

std::string module_path(const Arch& arch, Slot slot, int64_t layer, int64_t expert) {
  for (const SlotPath& row : arch.paths) {
    if (row.slot == slot) return fill_pattern(row.path, layer, expert);
  }
  HELLORA_CHECK(false, "architecture has no such slot");
}

}  // namespace hellora
