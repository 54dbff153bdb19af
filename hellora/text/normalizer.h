// What tokenizer.json's `normalizer` does to a text before it is cut: NFC, Prepend, Replace, and sequences of them.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/text/replace.h"

namespace hellora {

struct NfcStep {};
struct PrependStep {
  std::string text;
};
using NormalizerStep = std::variant<NfcStep, PrependStep, ReplaceStep>;
using Normalizer = std::vector<NormalizerStep>;  // applied in order

/// A null object does nothing. FormatError names a normalizer that is not supported.
Normalizer parse_normalizer(const Json& json, const std::string& where);
/// The normalised text. An empty one stays empty.
std::string normalize(const Normalizer& normalizer, std::string_view text);

}  // namespace hellora
