#include "hellora/text/bpe.h"

#include <queue>

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"

namespace hellora {
namespace {

uint64_t pair_key(int64_t left, int64_t right) { return (static_cast<uint64_t>(left) << 32) | static_cast<uint64_t>(right); }

struct Symbol {
  int64_t id;
  int32_t previous, next;  // -1: none
  bool alive = true;
};

struct Candidate {
  int32_t rank, left;
  int64_t left_id, right_id;  // stale once the symbols hold other ids
  int64_t merged;
  bool operator<(const Candidate& other) const {  // the queue's top is the lowest rank, then the leftmost
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

void refuse(const Json& model, const char* key, const std::string& where) {
  if (model.contains(key) && !model[key].is_null() && model[key] != false && model[key] != "" && model[key] != 0.0) {
    throw FormatError(where + ": BPE option " + key + " is not supported");
  }
}

}  // namespace

Bpe::Bpe(const Json& model, const std::string& where) {
  const std::string type = string_or(model, "type", "BPE", where);
  if (type != "BPE") throw FormatError(where + ": model type \"" + type + "\" is not supported; expected \"BPE\"");
  for (const char* key : {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"})
    refuse(model, key, where);
  ignore_merges_ = bool_or(model, "ignore_merges", false, where);
  const Json& vocab = member(model, "vocab", where);
  if (!vocab.is_object()) throw FormatError(where + ": vocab must be an object of token to id");
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
      throw FormatError(where + ": id of token \"" + token + "\" must be an integer from 0 to 2147483647");
    }
    vocab_.emplace(token, id.get<int64_t>());
  }
  read_merges(member(model, "merges", where), where);
}

void Bpe::read_merges(const Json& merges, const std::string& where) {
  if (!merges.is_array()) throw FormatError(where + ": merges must be an array");
  const auto id_of = [&](const std::string& token, size_t line) {
    const auto it = vocab_.find(token);
    if (it == vocab_.end())
      throw FormatError(where + ": merge " + std::to_string(line) + " names \"" + token + "\", which is not in the vocabulary");
    return it->second;
  };
  for (size_t i = 0; i < merges.size(); ++i) {
    std::string left, right;
    if (merges[i].is_string()) {
      const auto text = merges[i].get<std::string>();
      const size_t space = text.find(' ');
      if (space == std::string::npos)
        throw FormatError(where + ": merge " + std::to_string(i) + " must be two tokens with a space between");
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else if (merges[i].is_array() && merges[i].size() == 2 && merges[i][0].is_string() && merges[i][1].is_string()) {
      left = merges[i][0].get<std::string>();
      right = merges[i][1].get<std::string>();
    } else {
      throw FormatError(where + ": merge " + std::to_string(i) + " must be \"a b\" or [\"a\", \"b\"]");
    }
    merges_.emplace(pair_key(id_of(left, i), id_of(right, i)), Merge{static_cast<int32_t>(i), id_of(left + right, i)});
  }
}

void Bpe::encode(std::string_view piece, std::vector<int64_t>& ids) const {
  if (ignore_merges_) {
    const auto whole = vocab_.find(std::string(piece));
    if (whole != vocab_.end()) {
      ids.push_back(whole->second);
      return;
    }
  }
  std::vector<Symbol> symbols;
  for (size_t at = 0; at < piece.size();) {
    const size_t length = utf8_length(piece, at);
    const std::string character(piece.substr(at, length));
    const auto it = vocab_.find(character);
    if (it == vocab_.end()) throw DataError("the tokenizer has no token for \"" + character + "\"");
    const auto here = static_cast<int32_t>(symbols.size());
    symbols.push_back({it->second, here - 1, here + 1});
    at += length;
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;

  std::priority_queue<Candidate> queue;
  const auto consider = [&](int32_t left) {
    if (left < 0 || symbols[static_cast<size_t>(left)].next < 0) return;
    const int64_t a = symbols[static_cast<size_t>(left)].id, b = symbols[static_cast<size_t>(symbols[static_cast<size_t>(left)].next)].id;
    const auto it = merges_.find(pair_key(a, b));
    if (it != merges_.end()) queue.push({it->second.rank, left, a, b, it->second.id});
  };
  for (int32_t i = 0; i < static_cast<int32_t>(symbols.size()); ++i) consider(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[static_cast<size_t>(best.left)];
    if (!left.alive || left.next < 0 || left.id != best.left_id || symbols[static_cast<size_t>(left.next)].id != best.right_id) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    left.id = best.merged;
    right.alive = false;
    left.next = right.next;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = best.left;
    consider(left.previous);
    consider(best.left);
  }
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) ids.push_back(symbols[static_cast<size_t>(i)].id);
}

}  // namespace hellora
