#include "hellora/model/arch.h"

#include <array>

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/model/config_reader.h"

namespace hellora {

extern const Arch kDeepseek, kDeepseekV2, kLlama, kMistral, kMixtral, kOlmoe, kQwen2Moe, kQwen3Moe;
ModelShape deepseek_moe_16b();
ModelShape deepseek_v2_lite();
ModelShape llama_2_7b();
ModelShape llama_3_8b();
ModelShape mistral_7b();
ModelShape mixtral_8x7b();
ModelShape olmoe_1b_7b();
ModelShape qwen15_moe_a27b();
ModelShape qwen3_30b_a3b();

namespace {

const std::array<Arch, 8>& arch_table() {
  static const std::array<Arch, 8> table = {kOlmoe, kMixtral, kDeepseek, kDeepseekV2, kQwen2Moe, kQwen3Moe, kLlama, kMistral};
  return table;
}

constexpr auto kPresets = std::to_array<Preset>({
    {"olmoe-1b-7b", olmoe_1b_7b},
    {"mixtral-8x7b", mixtral_8x7b},
    {"deepseek-moe-16b", deepseek_moe_16b},
    {"deepseek-v2-lite", deepseek_v2_lite},
    {"qwen1.5-moe-a2.7b", qwen15_moe_a27b},
    {"qwen3-30b-a3b", qwen3_30b_a3b},
    {"llama-2-7b", llama_2_7b},
    {"llama-3-8b", llama_3_8b},
    {"mistral-7b", mistral_7b},
});

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

ModelShape read_shape(const Json& json, const std::string& where) {
  JsonObject config(json, where);
  const ModelShape shape = find_arch(config.text("model_type"), where).shape(config);
  meet_other_keys(config);
  return shape;
}

std::string fill_pattern(std::string_view pattern, int64_t layer, int64_t expert) {
  std::string text(pattern);
  replace(text, "{L}", layer);
  replace(text, "{E}", expert);
  return text;
}

int64_t default_k(const Arch& arch, int64_t experts, int64_t top_k) {
  if (arch.hot.of == 0) return top_k;
  return (experts * arch.hot.hot + arch.hot.of - 1) / arch.hot.of;
}

std::string module_path(const Arch& arch, Slot slot, int64_t layer, int64_t expert) {
  for (const SlotPath& row : arch.paths) {
    if (row.slot == slot) return fill_pattern(row.path, layer, expert);
  }
  HELLORA_CHECK(false, "architecture has no such slot");
}

std::string parameter_name(const Arch& arch, Slot slot, int64_t layer, int64_t expert) {
  return module_path(arch, slot, layer, expert) + (is_bias_slot(slot) ? ".bias" : ".weight");
}

}  // namespace hellora
