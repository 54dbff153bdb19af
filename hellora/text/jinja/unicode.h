// Text by characters as Python counts and classifies them. All text is valid UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hellora::jinja {

uint32_t code_point_at(std::string_view text, size_t at);
int64_t count_characters(std::string_view text);
/// One piece per character.
std::vector<std::string_view> characters(std::string_view text);

/// str.isspace of one character, which is also \s of a regular expression.
bool is_space(uint32_t c);
/// str.isprintable of one character.
bool is_printable(uint32_t c);
/// True for characters with upper, lower or title case.
bool is_cased(uint32_t c);

enum class Side : uint8_t { left, right, both };
/// str.strip and its kin; without `set` whitespace goes.
std::string_view strip(std::string_view text, std::optional<std::string_view> set, Side side = Side::both);
/// str.splitlines without the ends.
std::vector<std::string_view> split_lines(std::string_view text);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);  // str.capitalize
std::string title(std::string_view text);       // str.title

}  // namespace hellora::jinja
