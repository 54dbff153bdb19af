// The tokens that tokenizer.json's `post_processor` puts around a single text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hellora/core/json.h"

namespace hellora {

struct PostProcessor {
  std::vector<int64_t> before, after;
};

/// TemplateProcessing, ByteLevel (adds nothing) and sequences of them; FormatError names another one.
PostProcessor parse_post_processor(const Json& json, const std::string& where);

}  // namespace hellora
