#include "hellora/model/name_patterns.h"

#include <algorithm>
#include <cmath>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/printable.h"

namespace hellora {
namespace {

constexpr size_t kMaxExpressions = 64;
constexpr size_t kShown = 60;

bool is_plain(std::string_view pattern) {
  return std::all_of(pattern.begin(), pattern.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

/// The text with the places of the dots blanked: two such texts match where these are equal.
std::string masked(std::string_view text, const std::vector<size_t>& dots) {
  std::string out(text);
  for (const size_t at : dots) out[at] = '.';
  return out;
}

std::vector<size_t> dots_of(std::string_view text) {
  std::vector<size_t> dots;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') dots.push_back(i);
  }
  return dots;
}

}  // namespace

NamePatterns::NamePatterns(const Json& object, double high, bool whole, const std::string& where) {
  if (!object.is_object()) throw FormatError(where + ": expected an object of patterns and numbers, found " + object.type_name());
  for (const auto& [pattern, value] : object.items()) {
    const std::string place = where + ": \"" + printable(pattern.substr(0, kShown)) + (pattern.size() > kShown ? "…" : "") + "\"";
    const double number = value.is_number() ? value.get<double>() : 0;
    if (!(number > 0 && number <= high) || (whole && !value.is_number_integer()))
      throw FormatError(place + " must be " +
                        (whole ? "an integer from 1 to " + std::to_string(static_cast<int64_t>(high))
                               : "a number above 0, at most " + dump_json(Json(high))));
    const size_t index = values_.size();
    values_.push_back(number);
    if (is_plain(pattern)) {
      add_plain(pattern, index);
      continue;
    }
    if (expressions_.size() == kMaxExpressions)
      throw FormatError(where + ": more than " + std::to_string(kMaxExpressions) + " regular expressions");
    expressions_.emplace_back(index, BoundedRegex(pattern, place));
  }
}

void NamePatterns::add_plain(const std::string& pattern, size_t index) {
  const std::vector<size_t> dots = dots_of(pattern);
  const auto [begin, end] = groups_.equal_range(pattern.size());
  auto it = std::find_if(begin, end, [&](const auto& one) { return one.second.dots == dots; });
  if (it == end) it = groups_.emplace(pattern.size(), Group{dots, {}});
  it->second.first.emplace(pattern, index);  // an earlier one stays
}

std::optional<size_t> NamePatterns::find_plain(std::string_view name) const {
  std::optional<size_t> best;
  const auto [begin, end] = groups_.equal_range(name.size());
  for (auto it = begin; it != end; ++it) {
    const auto hit = it->second.first.find(masked(name, it->second.dots));
    if (hit != it->second.first.end() && (!best || hit->second < *best)) best = hit->second;
  }
  return best;
}

std::optional<double> NamePatterns::find(std::string_view path) const {
  std::optional<size_t> best;
  for (size_t begin = 0; begin != std::string_view::npos;) {
    const std::optional<size_t> one = find_plain(path.substr(begin));
    if (one && (!best || *one < *best)) best = one;
    const size_t dot = path.find('.', begin);
    begin = dot == std::string_view::npos ? dot : dot + 1;
  }
  for (const auto& [index, expression] : expressions_) {
    if (best && *best < index) break;
    if (!expression.matches(path)) continue;
    best = index;
    break;
  }
  return best ? std::optional<double>(values_[*best]) : std::nullopt;
}

}  // namespace hellora
