// The table of architectures: how a family spells its config and its tensors, and HELLoRA's defaults for it.
// One more family is one file under arch/ and one row in arch.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/adapters/site.h"
#include "hellora/core/json.h"
#include "hellora/model/shape.h"

namespace hellora {

/// Module path of a slot; {L} stands for the layer, {E} for the expert.
struct SlotPath {
  Slot slot;
  std::string_view path;
};

struct Arch {
  std::string_view model_type;  // as in config.json
  std::string_view models;      // well-known members of the family
  ModelShape (*shape)(const Json& config, const std::string& where);
  Json (*config)(const ModelShape& shape);  // the inverse, for `init`
  std::span<const SlotPath> paths;
  std::string_view fused_gate_up, fused_down;  // expert tensors (E, 2F, D) and (E, D, F) of the fused layout
  std::string_view targets;                    // adapter.targets: auto
  int64_t hot_k;                               // select.k: auto; 0 means experts per token
  std::string_view defaults_source;
};

/// A published model's shape, for `count`, `init` and `bench` without weights.
struct Preset {
  std::string_view name;
  ModelShape (*shape)();
};

std::span<const Arch> archs();
std::span<const Preset> presets();
const Arch& find_arch(const std::string& model_type, const std::string& where);
ModelShape find_preset(const std::string& name);
/// Reads the shape of a config.json through its family's row.
ModelShape read_shape(const Json& config, const std::string& where);

/// "model.layers.3.mlp.experts.17.gate_proj"; HELLORA_CHECK when the family has no such slot.
std::string module_path(const Arch& arch, Slot slot, int64_t layer, int64_t expert = -1);
std::string fill_pattern(std::string_view pattern, int64_t layer, int64_t expert);
bool has_slot(const Arch& arch, Slot slot);

}  // namespace hellora
