#include "hellora/recipe/table.h"

#include <algorithm>

#include "hellora/core/printable.h"
#include "hellora/core/text.h"

namespace hellora {

std::string format_table(std::vector<std::vector<std::string>> rows) {
  std::vector<size_t> widths;
  for (auto& row : rows) {
    for (std::string& cell : row) cell = printable(cell);
  }
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t c = 0; c + 1 < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) out += c + 1 < row.size() ? row[c] + std::string(widths[c] - row[c].size() + 2, ' ') : row[c];
    out += '\n';
  }
  return out;
}

std::string bars(const std::vector<double>& values) {
  constexpr const char* kEighths[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (values.empty()) return "";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  std::string out;
  for (const double value : values) out += kEighths[*high > *low ? static_cast<size_t>(7 * (value - *low) / (*high - *low) + 0.5) : 3];
  return out;
}

std::string percent(double share, int digits) { return fixed(100 * share, digits) + " %"; }

}  // namespace hellora
