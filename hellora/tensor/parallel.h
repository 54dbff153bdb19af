// Runs independent tasks on torch's threads. Which thread takes which task never matters for the result.
#pragma once

#include <functional>

#include "hellora/tensor/torch.h"

namespace hellora {

/// Calls body(0) … body(tasks - 1), each once, with autograd off; the first exception is rethrown.
void parallel_tasks(int64_t tasks, const std::function<void(int64_t)>& body);

}  // namespace hellora
