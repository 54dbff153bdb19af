// Scanners by hand for the patterns that most byte-level tokenizers split with. PCRE2 does all others, and these in tests.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace hellora {

/// The end of the match that begins at `at`, which is a character's begin. The patterns match at every place, and never nothing.
using Scanner = size_t (*)(std::string_view text, size_t at);

struct KnownPattern {
  std::string_view pattern;  // as tokenizer.json spells it
  Scanner scan;
};

/// The split of GPT-2 (Radford et al. 2019), which ByteLevel uses when use_regex is true.
inline constexpr std::string_view kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

std::span<const KnownPattern> known_patterns();
/// Null for a pattern without one.
Scanner find_scanner(std::string_view pattern);

}  // namespace hellora
