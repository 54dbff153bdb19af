// The table of architectures: how a family spells its config and its tensors, and HELLoRA's defaults for it.
// One more family is one file under arch/ and one row in arch.cpp (docs/adding-an-architecture.md).
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

/// Hot experts per layer as a share, "12 of 64", so that it holds for small members of the family too; 0 of 0: experts per token.
struct HotShare {
  int64_t hot = 0, of = 0;
};

class JsonObject;

struct Arch {
  std::string_view model_type;  // as in config.json
  std::string_view models;      // well-known members of the family
  ModelShape (*shape)(JsonObject& config);
  Json (*config)(const ModelShape& shape);  // the inverse, for `init`
  std::span<const SlotPath> paths;
  /// The layout of transformers 5 with one tensor for all experts of a layer: (E, 2F, D) with gate's rows first, and (E, D, F).
  /// Empty where no such layout exists.
  std::string_view fused_gate_up = {}, fused_down = {};
  std::string_view fused_router = {};  // the router's path in that layout, where it is another one
  std::string_view targets;            // adapter.targets: auto
  HotShare hot = {};                   // select.k: auto
  std::string_view defaults_source;
  std::string_view status;               // what was tried
  std::string_view peft_full_note = {};  // what a user of the peft-full export should know
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
/// Reads the shape of a config.json through its family's row: every key is used, changes nothing, or is refused or warned of by name.
ModelShape read_shape(const Json& config, const std::string& where);

/// select.k: auto for a number of experts and of experts per token.
int64_t default_k(const Arch& arch, int64_t experts, int64_t top_k);

/// "model.layers.3.mlp.experts.17.gate_proj"; HELLORA_CHECK when the family has no such slot.
std::string module_path(const Arch& arch, Slot slot, int64_t layer, int64_t expert = -1);
/// The same with ".weight" or ".bias".
std::string parameter_name(const Arch& arch, Slot slot, int64_t layer, int64_t expert = -1);
std::string fill_pattern(std::string_view pattern, int64_t layer, int64_t expert);

}  // namespace hellora
