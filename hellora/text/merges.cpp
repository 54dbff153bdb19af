#include "hellora/text/merges.h"

#include <queue>

namespace hellora {
namespace {

constexpr size_t kShort = 40;  // up to here the simple way is the faster one

struct Symbol {
  TokenId id;
  int32_t previous, next;  // -1: none
  bool alive = true;
};

struct Candidate {
  int32_t rank, left;
  TokenId left_id, right_id;                      // stale once the symbols hold other ids
  bool operator<(const Candidate& other) const {  // the queue's top is the lowest rank, then the leftmost
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

class LongMerger {
 public:
  LongMerger(const MergeTable& table, const std::vector<TokenId>& ids) : table_(table) {
    symbols_.reserve(ids.size());
    for (const TokenId id : ids) {
      const auto here = static_cast<int32_t>(symbols_.size());
      symbols_.push_back({id, here - 1, here + 1});
    }
    if (!symbols_.empty()) symbols_.back().next = -1;
  }

  void run() {
    for (int32_t i = 0; i < static_cast<int32_t>(symbols_.size()); ++i) consider(i);
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      Symbol& left = at(best.left);
      if (!left.alive || left.next < 0 || left.id != best.left_id || at(left.next).id != best.right_id) continue;
      Symbol& right = at(left.next);
      left.id = table_.find(best.left_id, best.right_id).id;
      right.alive = false;
      left.next = right.next;
      if (left.next >= 0) at(left.next).previous = best.left;
      consider(left.previous);
      consider(best.left);
    }
  }

  void write(std::vector<TokenId>& ids) const {
    ids.clear();
    for (int32_t i = symbols_.empty() ? -1 : 0; i >= 0; i = symbols_[static_cast<size_t>(i)].next)
      ids.push_back(symbols_[static_cast<size_t>(i)].id);
  }

 private:
  Symbol& at(int32_t index) { return symbols_[static_cast<size_t>(index)]; }

  void consider(int32_t left) {
    if (left < 0 || at(left).next < 0) return;
    const TokenId a = at(left).id, b = at(at(left).next).id;
    const Merge merge = table_.find(a, b);
    if (merge.rank >= 0) queue_.push({merge.rank, left, a, b});
  }

  const MergeTable& table_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

MergeTable::MergeTable(size_t pairs) {
  int bits = 4;
  while ((size_t{1} << bits) < 2 * pairs) ++bits;
  entries_.resize(size_t{1} << bits);
  mask_ = entries_.size() - 1;
  shift_ = 64 - bits;
}

void MergeTable::set(TokenId left, TokenId right, Merge merge) {
  const uint64_t key = key_of(left, right);
  size_t at = place(key);
  while (entries_[at].key != kFree && entries_[at].key != key) at = (at + 1) & mask_;
  entries_[at] = {key, merge};
}

void merge_short(const MergeTable& table, std::vector<TokenId>& ids) {
  thread_local std::vector<Merge> merges;  // of each token with the next; kept for its memory
  merges.clear();
  for (size_t i = 0; i + 1 < ids.size(); ++i) merges.push_back(table.find(ids[i], ids[i + 1]));
  for (;;) {
    size_t best = merges.size();
    for (size_t i = 0; i < merges.size(); ++i) {
      if (merges[i].rank >= 0 && (best == merges.size() || merges[i].rank < merges[best].rank)) best = i;
    }
    if (best == merges.size()) return;
    ids[best] = merges[best].id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    merges.erase(merges.begin() + static_cast<std::ptrdiff_t>(best));
    if (best > 0) merges[best - 1] = table.find(ids[best - 1], ids[best]);
    if (best < merges.size()) merges[best] = table.find(ids[best], ids[best + 1]);
  }
}

void merge_long(const MergeTable& table, std::vector<TokenId>& ids) {
  LongMerger merger(table, ids);
  merger.run();
  merger.write(ids);
}

void merge_all(const MergeTable& table, std::vector<TokenId>& ids) {
  if (ids.size() <= kShort) {
    merge_short(table, ids);
  } else {
    merge_long(table, ids);
  }
}

}  // namespace hellora
