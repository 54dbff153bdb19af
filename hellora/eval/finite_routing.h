// A pass whose router gives no finite numbers means nothing: it is stopped with its place.
#pragma once

#include "hellora/moe/observer.h"

namespace hellora {

/// CheckFailed names the layer and the row of the pass.
class FiniteRouting : public Observer {
 public:
  void on_route(int64_t layer, const Routing& routing) override;
  bool watches_all_rows() const override { return false; }  // whatever rows there are
};

}  // namespace hellora
