// Reading config.json: the keys that every family shares, in the spellings of transformers 4 and 5.
#pragma once

#include "hellora/core/json.h"
#include "hellora/model/shape.h"

namespace hellora {

/// Fills the shared fields; FormatError names a missing key, a wrong type, a value out of range, or an unsupported
/// rope type, activation or attention bias.
ModelShape read_shared_shape(const Json& config, const std::string& where);

/// An integer key that must lie in [low, high].
int64_t sized(const Json& config, std::string_view key, int64_t low, int64_t high, const std::string& where);

}  // namespace hellora
