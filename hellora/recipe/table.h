// Aligned text tables for people.
#pragma once

#include <string>
#include <vector>

namespace hellora {

/// Columns padded to their widest cell, two spaces between; the last column is not padded. Cells are shown as `printable` shows them.
std::string format_table(std::vector<std::vector<std::string>> rows);

/// One bar of eighths a value, between the least and the largest.
std::string bars(const std::vector<double>& values);

/// "52.3 %"
std::string percent(double share, int digits = 1);

}  // namespace hellora
