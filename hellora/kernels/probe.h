// What this machine could do at best right now: peak arithmetic and memory reading, measured beside whatever is compared with them.
#pragma once

#include "hellora/kernels/row.h"

namespace hellora::kernels {

/// Operations per second of the active row's multiply-add on registers, all threads together, over about 30 ms.
double probe_arithmetic(Math math);

/// Bytes per second of all threads reading `memory`, which is larger than the caches, several streams each, fetched ahead.
/// At most 256 MiB of it are read; 0 where it has less than 8 MiB.
double probe_reading(std::span<const std::byte> memory);

}  // namespace hellora::kernels
