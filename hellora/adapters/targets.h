// Words among adapter.targets that stand for several targets of a model.
#pragma once

namespace hellora {

/// Every linear map of the layers (see linear_targets).
inline constexpr const char* kAllLinear = "all-linear";

}  // namespace hellora
