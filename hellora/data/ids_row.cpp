// Records of token ids: what was tokenised, padded or masked elsewhere.
#include <algorithm>
#include <array>

#include "hellora/core/error.h"
#include "hellora/data/row.h"

namespace hellora {
namespace {

/// One entry for each id.
std::vector<int64_t> aligned(const Json& record, const char* key, size_t count, const std::string& where) {
  std::vector<int64_t> out = ints_member(record, key, where);
  if (out.size() == count) return out;
  throw FormatError(where + ": \"" + key + "\" has " + std::to_string(out.size()) + " entries, \"input_ids\" " + std::to_string(count));
}

/// A list of 0 and 1.
std::vector<int64_t> read_mask(const Json& record, const char* key, size_t count, const std::string& where) {
  std::vector<int64_t> out = aligned(record, key, count, where);
  const auto wrong = std::find_if(out.begin(), out.end(), [](int64_t value) { return value != 0 && value != 1; });
  if (wrong != out.end()) throw FormatError(where + ": \"" + key + "\" holds " + std::to_string(*wrong) + "; expected 0 or 1");
  return out;
}

/// What is left of the ids once padding is cut.
struct Kept {
  size_t begin = 0, end = 0;
};

Kept attended(const Json& record, size_t count, const std::string& where) {
  if (!has(record, "attention_mask")) return {0, count};
  const std::vector<int64_t> mask = read_mask(record, "attention_mask", count, where);
  const auto first = std::find(mask.begin(), mask.end(), 1);
  const auto last = std::find(mask.rbegin(), mask.rend(), 1).base();
  if (first == mask.end()) return {};
  const auto hole = std::find(first, last, 0);
  if (hole != last) {
    throw FormatError(where + ": \"attention_mask\" is 0 at " + std::to_string(hole - mask.begin()) +
                      ", between tokens that are attended to; only padding at the ends can be cut");
  }
  return {static_cast<size_t>(first - mask.begin()), static_cast<size_t>(last - mask.begin())};
}

template <class T>
void cut(std::vector<T>& list, const Kept& kept) {
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(kept.end), list.end());
  list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(kept.begin));
}

/// Positions count from 0 in one row, and no model here knows token types.
void check_positions(const Json& record, size_t count, const Kept& kept, const std::string& where) {
  if (has(record, "position_ids")) {
    std::vector<int64_t> positions = aligned(record, "position_ids", count, where);
    cut(positions, kept);
    for (size_t i = 0; i < positions.size(); ++i) {
      if (positions[i] != static_cast<int64_t>(i)) {
        throw FormatError(where + ": \"position_ids\" is " + std::to_string(positions[i]) + " at token " + std::to_string(i) +
                          "; expected 0, 1, 2, …: one document a record, unpacked");
      }
    }
  }
  if (!has(record, "token_type_ids")) return;
  for (const int64_t type : aligned(record, "token_type_ids", count, where)) {
    if (type != 0) throw FormatError(where + ": \"token_type_ids\" holds " + std::to_string(type) + "; only type 0 is known here");
  }
}

std::vector<int64_t> read_labels(const Json& record, size_t count, const std::string& where) {
  std::vector<int64_t> labels = aligned(record, "labels", count, where);
  for (const int64_t label : labels) {
    if (label < 0 && label != kIgnore)
      throw FormatError(where + ": \"labels\" holds " + std::to_string(label) + "; expected token ids or -100");
  }
  return labels;
}

constexpr std::array<const char*, 4> kTokenMasks = {"loss_mask", "completion_mask", "assistant_masks", "assistant_mask"};

}  // namespace

TokenRow ids_row(const Json& record, bool all, const std::string& where) {
  TokenRow row;
  row.ids = ints_member(record, "input_ids", where);
  const size_t count = row.ids.size();
  for (const int64_t id : row.ids) {
    if (id < 0) throw FormatError(where + ": \"input_ids\" holds " + std::to_string(id) + ", which is no token id");
  }
  row.labels = row.ids;
  if (has(record, "labels") && has(record, "prompt_length"))
    throw FormatError(where + ": \"labels\" and \"prompt_length\" exclude each other");
  if (has(record, "labels")) {
    std::vector<int64_t> labels = read_labels(record, count, where);
    if (!all) row.labels = std::move(labels);
  }
  const int64_t prompt = int_or(record, "prompt_length", 0, where);
  if (prompt < 0 || prompt > static_cast<int64_t>(count)) {
    throw FormatError(where + ": \"prompt_length\" is " + std::to_string(prompt) + ", \"input_ids\" has " + std::to_string(count));
  }
  if (!all) std::fill_n(row.labels.begin(), prompt, kIgnore);
  for (const char* key : kTokenMasks) {
    if (!has(record, key)) continue;
    const std::vector<int64_t> mask = read_mask(record, key, count, where);
    for (size_t i = 0; i < count && !all; ++i) {
      if (mask[i] == 0) row.labels[i] = kIgnore;
    }
  }
  const Kept kept = attended(record, count, where);
  check_positions(record, count, kept, where);
  cut(row.ids, kept);
  cut(row.labels, kept);
  return row;  // text: decoding costs more than it is worth here, `inspect` does it
}

}  // namespace hellora
