// Reading and writing config.json: the keys that every family shares, in the spellings of transformers 4 and 5.
#pragma once

#include <initializer_list>

#include "hellora/core/json.h"
#include "hellora/model/shape.h"

namespace hellora {

/// Fills the shared fields, rope included; FormatError names a missing key, a wrong type, a value out of range, or an unsupported
/// rope type, activation or attention bias (`bias_allowed`: attention_bias gives q, k, v and o a bias).
ModelShape read_shared_shape(const Json& config, const std::string& where, bool bias_allowed = false);

/// The same keys from a shape; the family adds its own.
Json write_shared_shape(const ModelShape& shape, std::string_view architecture);

/// An integer key that must lie in [low, high].
int64_t sized(const Json& config, std::string_view key, int64_t low, int64_t high, const std::string& where);

/// The first of several spellings of one key that is there; FormatError when two of them differ, or none is there.
std::string_view spelling(const Json& config, std::initializer_list<std::string_view> keys, const std::string& where);

/// sliding_window of families that have one everywhere or nowhere. FormatError for a mix of layer types.
int64_t read_window(const Json& config, const std::string& where);
/// Families with windows in some layers: refused when switched on.
void refuse_window(const Json& config, const std::string& where);

/// Layers that `is_dense` names, ascending.
template <class IsDense>
std::vector<int64_t> dense_layers(int64_t layers, const IsDense& is_dense) {
  std::vector<int64_t> out;
  for (int64_t layer = 0; layer < layers; ++layer) {
    if (is_dense(layer)) out.push_back(layer);
  }
  return out;
}

/// rope_theta, rope_scaling and rope_parameters.
RopeRule read_rope(const Json& config, int64_t max_positions, const std::string& where);
/// The keys rope_theta and rope_scaling.
void write_rope(const RopeRule& rule, Json& config);

}  // namespace hellora
