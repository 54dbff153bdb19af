// A scope in which torch uses one thread.
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora {

/// LAPACK sums in another order with another number of threads; what is trained must not depend on it.
class OneThread {
 public:
  OneThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace hellora
