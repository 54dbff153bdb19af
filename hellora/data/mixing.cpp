#include "hellora/data/mixing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/rng.h"

namespace hellora {
namespace {

/// Appends the examples [begin, end) of the file with this number, by weight.
void append_file(std::vector<int64_t>& order, size_t begin, size_t end, double weight, const RngKey& key) {
  const size_t count = end - begin;
  const auto whole = static_cast<size_t>(weight);
  for (size_t copy = 0; copy < whole; ++copy) {
    for (size_t i = begin; i < end; ++i) order.push_back(static_cast<int64_t>(i));
  }
  const double part = (weight - static_cast<double>(whole)) * static_cast<double>(count);
  const auto extra = std::max<size_t>(static_cast<size_t>(std::llround(part)), whole == 0 ? 1 : 0);
  std::vector<int64_t> drawn(count);
  std::iota(drawn.begin(), drawn.end(), static_cast<int64_t>(begin));
  for (size_t i = 0; i < std::min(extra, count); ++i) {
    std::swap(drawn[i], drawn[i + random_u64(key, i) % (count - i)]);
    order.push_back(drawn[i]);
  }
}

/// Records that share a row belong together: each points at another one of its group, or at itself.
class Groups {
 public:
  explicit Groups(size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), uint32_t{0}); }
  uint32_t find(uint32_t i) {
    for (; parent_[i] != i; i = parent_[i]) parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(uint32_t a, uint32_t b) { parent_[find(std::max(a, b))] = find(std::min(a, b)); }

 private:
  std::vector<uint32_t> parent_;
};

struct HashedRow {
  uint64_t hash;
  uint32_t record;
};

/// A group of records: what orders it among the others, and how many rows it has.
struct Group {
  uint64_t rank = UINT64_MAX;
  uint32_t record = 0;
  size_t rows = 0;
};

std::vector<HashedRow> hash_rows(const Dataset& dataset) {
  std::vector<HashedRow> rows;
  rows.reserve(dataset.examples.size());
  uint32_t record = 0;
  for (size_t i = 0; i < dataset.examples.size(); ++i) {
    const Example& example = dataset.examples[i];
    if (i > 0 && example.record != dataset.examples[i - 1].record) ++record;
    rows.push_back({hash_bytes(std::as_bytes(example.ids), 0), record});
  }
  return rows;
}

/// The groups in a random order that the rows themselves decide.
std::vector<Group> ranked_groups(const std::vector<HashedRow>& rows, Groups& groups, uint64_t seed) {
  const RngKey key = make_key(seed, hash_text("split"), 0);
  std::vector<Group> by_record(rows.back().record + 1);
  for (const HashedRow& row : rows) {
    Group& group = by_record[groups.find(row.record)];
    group.record = groups.find(row.record);
    group.rank = std::min(group.rank, random_u64(key, row.hash));
    ++group.rows;
  }
  std::erase_if(by_record, [](const Group& one) { return one.rows == 0; });
  std::sort(by_record.begin(), by_record.end(), [](const Group& a, const Group& b) { return a.rank < b.rank; });
  return by_record;
}

/// The examples for which `wanted` holds, with the files' ends and the hash that belong to them.
template <class Wanted>
Dataset part_of(const Dataset& dataset, Wanted&& wanted) {
  Dataset out = dataset;
  out.examples.clear();
  out.hash = 0;
  size_t part = 0;
  const auto close = [&](size_t at) {
    for (; part < out.parts.size() && dataset.parts[part].end <= at; ++part) out.parts[part].end = out.examples.size();
  };
  for (size_t i = 0; i < dataset.examples.size(); ++i) {
    close(i);
    if (!wanted(i)) continue;
    const Example& example = dataset.examples[i];
    out.examples.push_back(example);
    out.hash = hash_bytes(std::as_bytes(example.targets), hash_bytes(std::as_bytes(example.ids), out.hash));
  }
  close(dataset.examples.size());
  return out;
}

}  // namespace

void set_weights(Dataset& dataset, std::span<const double> weights) {
  if (weights.empty()) return;
  if (weights.size() != dataset.parts.size()) {
    throw ConfigError("data.weights has " + std::to_string(weights.size()) + " numbers for " + std::to_string(dataset.parts.size()) +
                      " files of data.train");
  }
  for (size_t i = 0; i < weights.size(); ++i) dataset.parts[i].weight = weights[i];
  if (std::any_of(weights.begin(), weights.end(), [](double weight) { return weight != 1; }))
    dataset.hash = hash_bytes(std::as_bytes(weights), dataset.hash);
}

std::vector<int64_t> file_order(const Dataset& dataset) {
  std::vector<int64_t> order(dataset.examples.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

std::vector<int64_t> mixed_order(const Dataset& dataset, uint64_t seed, int64_t epoch) {
  if (std::all_of(dataset.parts.begin(), dataset.parts.end(), [](const Dataset::Part& one) { return one.weight == 1; }))
    return file_order(dataset);
  std::vector<int64_t> order;
  size_t begin = 0;
  for (size_t file = 0; file < dataset.parts.size(); ++file) {
    const size_t end = std::min(dataset.parts[file].end, dataset.examples.size());  // a profile may take only the first examples
    const RngKey key = make_key(seed, hash_text("mix"), epoch, static_cast<int64_t>(file));
    if (begin < end) append_file(order, begin, end, dataset.parts[file].weight, key);
    begin = std::max(begin, end);
  }
  return order;
}

Dataset split_off(Dataset& dataset, const EvalShare& share, uint64_t seed) {
  const size_t count = dataset.examples.size();
  const auto shared = static_cast<size_t>(std::ceil(share.share * static_cast<double>(count)));
  const size_t wanted = share.rows > 0 ? static_cast<size_t>(share.rows) : std::min(shared, count - std::min<size_t>(count, 1));
  if (wanted >= count) {
    throw DataError("data.eval: " + std::to_string(wanted) + " rows cannot be kept for evaluation, there are " + std::to_string(count) +
                    " in all");
  }
  std::vector<HashedRow> rows = hash_rows(dataset);
  std::vector<uint32_t> records;
  records.reserve(count);
  for (const HashedRow& row : rows) records.push_back(row.record);
  std::sort(rows.begin(), rows.end(),
            [](const HashedRow& a, const HashedRow& b) { return a.hash < b.hash || (a.hash == b.hash && a.record < b.record); });
  Groups groups(records.back() + 1);
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].hash == rows[i - 1].hash) groups.join(rows[i].record, rows[i - 1].record);
  }
  std::sort(rows.begin(), rows.end(), [](const HashedRow& a, const HashedRow& b) { return a.record < b.record; });
  const std::vector<Group> ranked = ranked_groups(rows, groups, seed);
  if (ranked.size() < 2) throw DataError("data.eval: all rows are equal, so that none can be kept for evaluation");
  std::vector<uint8_t> taken(records.back() + 1, 0);
  size_t held = 0;
  for (size_t i = 0; i + 1 < ranked.size() && held < wanted; ++i) {
    taken[ranked[i].record] = 1;
    held += ranked[i].rows;
  }
  const auto is_taken = [&](size_t i) { return taken[groups.find(records[i])] != 0; };
  Dataset eval = part_of(dataset, is_taken);
  // What became of the records is told once, with those that stay.
  eval.records = eval.skipped_long = eval.truncated = eval.skipped_empty = eval.split = eval.skipped_bad = 0;
  eval.first_bad.clear();
  eval.unread.clear();
  dataset = part_of(dataset, [&](size_t i) { return !is_taken(i); });
  return eval;
}

}  // namespace hellora
