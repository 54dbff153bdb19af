#include "hellora/select/ranks.h"

#include <algorithm>
#include <numeric>

#include "hellora/core/error.h"

namespace hellora {
namespace {

__extension__ using Wide = __int128;  // budget x load: both may come close to 2^40

/// Experts whose share is below 1 take 1 and leave the sharing; what they take may push others below 1, so it is repeated.
std::vector<size_t> above_one(std::span<const int64_t> loads, int64_t* budget) {
  std::vector<size_t> open(loads.size());
  std::iota(open.begin(), open.end(), size_t{0});
  for (size_t before = open.size() + 1; before != open.size();) {
    before = open.size();
    Wide all = 0;
    for (const size_t i : open) all += loads[i];
    const int64_t now = *budget;
    std::erase_if(open, [&](size_t i) { return Wide{now} * loads[i] < all; });
    *budget -= static_cast<int64_t>(before - open.size());
  }
  return open;
}

}  // namespace

std::vector<int64_t> share_ranks(std::span<const int64_t> loads, int64_t rank) {
  HELLORA_CHECK(rank >= 1, "a rank is at least 1");
  if (std::all_of(loads.begin(), loads.end(), [](int64_t load) { return load == 0; })) return std::vector<int64_t>(loads.size(), rank);
  std::vector<int64_t> ranks(loads.size(), 1);
  int64_t budget = rank * static_cast<int64_t>(loads.size());
  const std::vector<size_t> open = above_one(loads, &budget);
  Wide all = 0;
  for (const size_t i : open) all += loads[i];
  std::vector<std::pair<Wide, size_t>> rest;  // remainder, expert
  int64_t left = budget;
  for (const size_t i : open) {
    const Wide share = Wide{budget} * loads[i];
    ranks[i] = static_cast<int64_t>(share / all);
    left -= ranks[i];
    rest.emplace_back(share % all, i);
  }
  std::stable_sort(rest.begin(), rest.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (size_t n = 0; n < static_cast<size_t>(left); ++n) ++ranks[rest[n].second];
  return ranks;
}

}  // namespace hellora
