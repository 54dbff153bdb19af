// Regular expressions of tokenizer.json, which are written for Oniguruma, in PCRE2's language.
#pragma once

#include <string>
#include <string_view>

#include "hellora/core/json.h"

namespace hellora {

/// The same language over the characters of the reference library's Unicode tables: classes get the newer characters, `$` is
/// the end of a line. FormatError names `where` and a construct that the two read differently or that is not known here.
std::string to_pcre2(std::string_view pattern, const std::string& where);

/// {"Regex": …} or {"String": …} as a PCRE2 pattern; `literal` gets the string of the latter.
std::string parse_pattern(const Json& pattern, const std::string& where, std::string* literal = nullptr);

}  // namespace hellora
