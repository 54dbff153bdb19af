// Whether steps of equal size take equally long: on a machine that does something else too they do not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hellora {

class Pace {
 public:
  /// Takes a step's tokens and seconds. Returns the warning once, when three steps took twice as long as the fastest one of the
  /// same size (within a tenth); the first step, which brings the weights into memory, does not count.
  std::string note(int64_t tokens, double seconds);

 private:
  struct Size {
    int64_t tokens = 0;
    std::vector<double> seconds;  // of the last steps of this size
  };
  std::vector<Size> sizes_;
  bool first_ = true, said_ = false;
};

}  // namespace hellora
