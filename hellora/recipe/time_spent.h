// Where the time of a run went: seconds by what was done.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "hellora/core/json.h"

namespace hellora {

class TimeSpent {
 public:
  /// Runs `work` and adds its time under `what`; returns what it returns.
  template <class Work>
  auto measure(const std::string& what, const Work& work) {
    const Adds adds{*this, what, Clock::now()};
    return work();
  }
  void add(const std::string& what, double seconds) { seconds_[what] += seconds; }
  double of(const std::string& what) const;
  /// Since this object was made.
  double total() const;
  /// {what: seconds, …, other, total}
  Json json() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Adds {
    TimeSpent& spent;
    const std::string& what;
    Clock::time_point start;
    ~Adds() { spent.add(what, std::chrono::duration<double>(Clock::now() - start).count()); }
  };
  Clock::time_point start_ = Clock::now();
  std::map<std::string, double> seconds_;
};

}  // namespace hellora
