// Methods by the type of a value.
#pragma once

#include "hellora/text/jinja/machine.h"

namespace hellora::jinja {

std::span<const Routine> text_methods();

}  // namespace hellora::jinja
