// Observers see the routing of every MoE layer of a forward pass; they count, collect or check, and change nothing.
#pragma once

#include "hellora/moe/router.h"

namespace hellora {

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_route(int64_t layer, const Routing& routing) = 0;
};

}  // namespace hellora
