// Characters that the reference library's tables (Unicode 16, in Rust's is_numeric 17) know and those of PCRE2 10.42 (Unicode 14) do not.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace hellora {

struct CodeRange {
  uint32_t first, last;
};

/// The newer members of a property, "L", "Nd", "Han" or the like; none for a property without a row. "Numeric" is what the
/// Digits pre-tokenizer takes for a number.
std::span<const CodeRange> newer_characters(std::string_view property);

}  // namespace hellora
