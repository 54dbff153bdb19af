#include "hellora/recipe/threads.h"

#include <atomic>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "hellora/core/log.h"
#include "hellora/tensor/torch.h"

namespace hellora {
namespace {

/// Of `wanted` threads, how many there can be at the same time, this one included.
int64_t possible_threads(int64_t wanted, std::string* reason) {
  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  try {
    while (static_cast<int64_t>(others.size()) + 1 < wanted) others.emplace_back([&] { done.wait(false); });
  } catch (const std::system_error& error) {
    *reason = error.code().message();
  }
  done = true;
  done.notify_all();
  for (std::thread& one : others) one.join();
  return static_cast<int64_t>(others.size()) + 1;
}

}  // namespace

void use_threads(int64_t wanted) {
  const int64_t asked = wanted > 0 ? wanted : at::get_num_threads();
  std::string reason;
  const int64_t there = possible_threads(asked, &reason);
  if (there < asked)
    log_warn("only " + std::to_string(there) + " of " + std::to_string(asked) + " threads can be made (" + reason +
             "); computing with these");
  if (wanted > 0 || there < asked) at::set_num_threads(static_cast<int>(there));
}

}  // namespace hellora
