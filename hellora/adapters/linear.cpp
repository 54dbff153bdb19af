#include "hellora/adapters/linear.h"

#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/tensor/dropout.h"
#include "hellora/tensor/group_scale.h"

namespace hellora {
namespace {

/// The rows of the adapted groups alone, when there is dropout: base and change of the dropped input.
std::vector<Tensor> of_dropped(const Tensor& x_low_NI, const RowGroups& groups, std::span<const AdaptedMap* const> maps,
                               const Compute& compute) {
  std::vector<GroupedMap> first;
  size_t count = 0;
  for (const AdaptedMap* map : maps) {
    first.push_back(map->grouped());
    count = map->parts.size();
    first.back().frozen.resize(count);
  }
  const auto end = groups.offsets.begin() + static_cast<std::ptrdiff_t>(count) + 1;
  return grouped_linear(x_low_NI, {}, {{groups.offsets.begin(), end}, {}, {}}, first, compute);
}

/// The factors of the groups' outputs, less one; of groups without rows nobody asks.
Tensor excess(const AdaptedMap& map, const RowGroups& groups, const Tensor& like) {
  std::vector<Tensor> rows;
  for (size_t g = 0; g < map.parts.size(); ++g) {
    const bool idle = groups.offsets[g] == groups.offsets[g + 1];
    rows.push_back(idle ? at::zeros({map.frozen[g].n}, like.options())
                        : std::get<Scaled>(map.parts[g]).scale_O(map.frozen[g]).to(like.scalar_type()) - 1);
  }
  return at::stack(rows);
}

void scale_outputs(std::vector<Tensor>& out, const Tensor& x_low_NI, const RowGroups& groups, std::span<const AdaptedMap> maps,
                   const Compute& compute) {
  std::vector<const AdaptedMap*> scaled;
  std::vector<Tensor*> target;
  for (size_t i = 0; i < maps.size(); ++i) {
    if (!maps[i].is<Scaled>()) continue;
    scaled.push_back(&maps[i]);
    target.push_back(&out[i]);
  }
  if (scaled.empty()) return;
  const std::vector<Tensor> dropped = x_low_NI.defined() ? of_dropped(x_low_NI, groups, scaled, compute) : std::vector<Tensor>();
  for (size_t i = 0; i < scaled.size(); ++i) {
    const int64_t rows = groups.offsets[scaled[i]->parts.size()];
    const Tensor z_NO = dropped.empty() ? target[i]->narrow(0, 0, rows) : dropped[i];
    *target[i] = add_scaled(*target[i], z_NO, excess(*scaled[i], groups, *target[i]), groups.offsets, compute);
  }
}

/// The outputs of groups that only their adapter knows, in place of the base's.
Tensor apply_general(const AdaptedMap& map, const Tensor& y_NO, const Tensor& x, const Tensor& x_low_NI, const RowGroups& groups,
                     const Compute& compute) {
  std::vector<Tensor> pieces;
  const Tensor row_N = groups.row_N.empty() ? Tensor() : at::tensor(groups.row_N);
  for (size_t g = 0; g < map.parts.size(); ++g) {
    const int64_t first = groups.offsets[g], count = groups.offsets[g + 1] - first;
    if (count == 0) continue;
    const auto rows = [&](const Tensor& all) { return all.defined() ? all.narrow(0, first, count) : all; };
    const Tensor x_NI = row_N.defined() ? x.index_select(0, rows(row_N)) : rows(x);
    pieces.push_back(map.adapter->apply({x_NI, rows(x_low_NI), rows(y_NO), map.frozen[g], compute}, g));
  }
  const int64_t adapted = groups.offsets[map.parts.size()];
  pieces.push_back(y_NO.narrow(0, adapted, y_NO.size(0) - adapted));
  return at::cat(pieces);
}

}  // namespace

Tensor adapter_input(const Tensor& x_NI, const StepContext& context, int64_t layer, Slot input, const Tensor& token_N,
                     const Tensor& expert_N) {
  if (!context.drops()) return {};
  return dropout(x_NI, context.dropout, context.key(layer, input), token_N, expert_N);
}

AdaptedMap::AdaptedMap(std::vector<kernels::Packed> frozen_of_groups, const Adapter* site, size_t adapted)
    : frozen(std::move(frozen_of_groups)), adapter(site) {
  for (size_t m = 0; adapter != nullptr && m < adapted; ++m) {
    parts.push_back(adapter->part(m));
    HELLORA_CHECK(parts[m].index() == parts[0].index(), "members of one projection have the same form");
  }
}

GroupedMap AdaptedMap::grouped() const {
  GroupedMap map{frozen};
  for (const Part& part : parts) {
    if (const auto* low_rank = std::get_if<LowRank>(&part)) map.low_rank.push_back(*low_rank);
    if (const auto* scaled = std::get_if<Scaled>(&part)) map.low_rank.push_back(scaled->low_rank);
    if (const auto* own = std::get_if<OwnWeight>(&part)) map.own.push_back(own->w);
  }
  return map;
}

std::vector<Tensor> adapted_groups(const Tensor& x, const Tensor& x_low_NI, const RowGroups& groups, std::span<const AdaptedMap> maps,
                                   const Compute& compute) {
  std::vector<GroupedMap> linears;
  bool low = false;
  for (const AdaptedMap& map : maps) {
    linears.push_back(map.grouped());
    low = low || !linears.back().low_rank.empty();
  }
  std::vector<Tensor> out = grouped_linear(x, low ? x_low_NI : Tensor(), groups, linears, compute);
  scale_outputs(out, x_low_NI, groups, maps, compute);
  for (size_t i = 0; i < maps.size(); ++i) {
    if (maps[i].is<General>()) out[i] = apply_general(maps[i], out[i], x, x_low_NI, groups, compute);
  }
  return out;
}

std::vector<Tensor> adapted_linear(const Tensor& x_NI, const Tensor& x_low_NI, std::span<const AdaptedMap> maps, const Compute& compute) {
  return adapted_groups(x_NI, x_low_NI, {{0, x_NI.size(0)}, {}, {}}, maps, compute);
}

Tensor adapted_linear(const Tensor& x_NI, const Tensor& x_low_NI, const AdaptedMap& map, const Compute& compute) {
  return adapted_linear(x_NI, x_low_NI, {&map, 1}, compute)[0];
}

Tensor effective_weight(const Tensor& frozen, const Adapter* adapter) {
  if (adapter == nullptr) return frozen;
  Part part = adapter->part(0);
  auto* own = std::get_if<OwnWeight>(&part);
  return own != nullptr ? std::move(own->w) : frozen;
}

}  // namespace hellora
