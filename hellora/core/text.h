// Small text helpers shared by messages and tables.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hellora {

std::string trim(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);

/// The candidate with the smallest edit distance; empty when nothing is near (more than a third of the letters differ).
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

/// "47,218,688"
std::string with_commas(long long value);
/// "1.2 GiB"
std::string human_bytes(double bytes);
/// printf-style number with `digits` after the point.
std::string fixed(double value, int digits);

}  // namespace hellora
