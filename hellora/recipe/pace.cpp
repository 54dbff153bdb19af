#include "hellora/recipe/pace.h"

#include <algorithm>
#include <cmath>

#include "hellora/core/text.h"

namespace hellora {
namespace {

constexpr double kTwice = 2, kSameSize = 0.1;
constexpr int64_t kEnough = 3;      // one slow step can be a page fault or a checkpoint
constexpr size_t kRemembered = 64;  // steps of a size that the fastest one is compared with

}  // namespace

std::string Pace::note(int64_t tokens, double seconds) {
  if (first_ || said_) {
    first_ = false;
    return "";
  }
  auto same = std::find_if(sizes_.begin(), sizes_.end(), [&](const Size& size) {
    return std::abs(static_cast<double>(size.tokens - tokens)) <= kSameSize * static_cast<double>(size.tokens);
  });
  if (same == sizes_.end()) same = sizes_.insert(same, Size{tokens, {}});
  std::vector<double>& taken = same->seconds;
  if (taken.size() == kRemembered) taken.erase(taken.begin());
  taken.push_back(seconds);
  const auto [low, high] = std::minmax_element(taken.begin(), taken.end());
  const auto slow = std::count_if(taken.begin(), taken.end(), [&, fastest = *low](double one) { return one >= kTwice * fastest; });
  if (slow < kEnough) return "";
  said_ = true;
  return "steps of about " + with_commas(tokens) + " tokens take from " + fixed(*low, 2) + " s to " + fixed(*high, 2) +
         " s: something else uses this machine too; with fewer threads (--threads) than cores a step may be faster";
}

}  // namespace hellora
