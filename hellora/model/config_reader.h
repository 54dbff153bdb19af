// Reading and writing config.json: the keys that every family shares, in the spellings of transformers 4 and 5.
#pragma once

#include <initializer_list>

#include "hellora/core/json_object.h"
#include "hellora/model/shape.h"

namespace hellora {

inline constexpr int64_t kMaxWidth = int64_t{1} << 24;  // no real model is wider; keeps products far from overflow
inline constexpr int64_t kMaxLayers = 4096, kMaxExperts = 65536;

/// What a family's class in transformers takes where a shared key is absent, and which of them it reads at all.
struct SharedRules {
  double rms_eps = 1e-6;
  double theta = 10000;
  int64_t kv_heads = 0;     // 0: as many as heads
  bool bias = false;        // attention_bias may be true: q, k, v and o have one
  bool plain_heads = true;  // false: the family sets kv_heads and head_dim itself
};

/// Fills the shared fields, rope included; FormatError names a missing key, a wrong type, a value out of range, or an unsupported
/// rope type, activation or bias.
ModelShape read_shared_shape(JsonObject& config, const SharedRules& rules = {});

/// The same keys from a shape; the family adds its own.
Json write_shared_shape(const ModelShape& shape, std::string_view architecture);

/// An integer of [low, high] under any of several spellings; FormatError when two of them differ, or none is there.
int64_t spelled(JsonObject& config, std::initializer_list<std::string_view> keys, int64_t low, int64_t high);

/// sliding_window of families that have one everywhere or nowhere; `absent` where the key is not there (null: none).
/// FormatError for a mix of layer types.
int64_t read_window(JsonObject& config, int64_t layers, int64_t absent = 0);
/// Families with windows in some layers: refused when switched on. Families without any: `sliding_window` counts for nothing.
void refuse_window(JsonObject& config, int64_t layers);

/// Meets the keys that the family did not read: those that change nothing, and those that would (model/config_keys.cpp). A key
/// that is in neither list and holds something is warned of, once for a file.
void meet_other_keys(JsonObject& config);

/// Layers that `is_dense` names, ascending.
template <class IsDense>
std::vector<int64_t> dense_layers(int64_t layers, const IsDense& is_dense) {
  std::vector<int64_t> out;
  for (int64_t layer = 0; layer < layers; ++layer) {
    if (is_dense(layer)) out.push_back(layer);
  }
  return out;
}

/// rope_theta, rope_scaling and rope_parameters; `theta` where the first is absent.
RopeRule read_rope(JsonObject& config, double theta, int64_t max_positions);
/// The keys rope_theta and rope_scaling.
void write_rope(const RopeRule& rule, Json& config);

}  // namespace hellora
