#include "hellora/recipe/time_spent.h"

#include <algorithm>

namespace hellora {

double TimeSpent::of(const std::string& what) const {
  const auto it = seconds_.find(what);
  return it == seconds_.end() ? 0 : it->second;
}

double TimeSpent::total() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

Json TimeSpent::json() const {
  Json out = Json::object();
  double known = 0;
  for (const auto& [what, seconds] : seconds_) {
    out[what] = seconds;
    known += seconds;
  }
  const double all = total();
  out["other"] = std::max(0.0, all - known);
  out["total"] = all;
  return out;
}

}  // namespace hellora
