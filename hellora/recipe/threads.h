// How many threads compute.
#pragma once

#include <cstdint>

namespace hellora {

/// `wanted` threads, or as many as the library takes by itself for 0. Where the system does not give so many (a limit on processes or
/// memory), fewer, with a warning: libgomp would end the program. The results are the same for any number.
void use_threads(int64_t wanted);

}  // namespace hellora
