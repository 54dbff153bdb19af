// Non-finite is never fine: every number that is printed, compared or stored as a result passes here first.
#pragma once

#include <cmath>
#include <string>

#include "hellora/core/error.h"

namespace hellora {

/// `value`, or CheckFailed (exit 3) that names the place: "PLACE is nan, not a finite number".
inline double finite(double value, const std::string& place) {
  if (std::isfinite(value)) return value;
  throw CheckFailed(place + " is " + (std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf") + ", not a finite number");
}

}  // namespace hellora
