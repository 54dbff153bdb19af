#include "hellora/tensor/parallel.h"

#include <exception>

namespace hellora {

void parallel_tasks(int64_t tasks, const std::function<void(int64_t)>& body) {
  std::exception_ptr failure;
#pragma omp parallel num_threads(at::get_num_threads()) if (tasks > 1)
  {
    const at::NoGradGuard no_grad;  // the mode is per thread
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < tasks; ++task) {
      try {
        body(task);
      } catch (...) {
#pragma omp critical
        if (!failure) failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace hellora
