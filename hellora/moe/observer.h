// Observers see the routing of every MoE layer of a forward pass; they count, collect or check, and change nothing.
#pragma once

#include "hellora/moe/router.h"

namespace hellora {

class Observer {
 public:
  virtual ~Observer() = default;
  /// Rows are those of the batch; in the last layer, where only some rows matter to the loss, they are these rows unless
  /// an observer of the pass watches all of them.
  virtual void on_route(int64_t layer, const Routing& routing) = 0;
  virtual bool watches_all_rows() const { return true; }
};

}  // namespace hellora
