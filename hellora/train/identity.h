// What makes a run the run that it is: key → value, stored in every checkpoint and compared when one is loaded.
#pragma once

#include "hellora/core/json.h"

namespace hellora {

/// The keys of `wanted` whose values differ in `saved`, each as "KEY is OLD in PLACE, now NEW"; empty when all agree.
std::string identity_difference(const Json& saved, const Json& wanted, const std::string& place);

}  // namespace hellora
