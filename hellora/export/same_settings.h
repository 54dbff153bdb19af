// Whether two model folders say the same beside their weights: config.json, tokenizer, templates, generation settings.
#pragma once

#include <string>

#include "hellora/io/files.h"

namespace hellora {

/// Names the first difference ("config.json: rope_theta is 10000.0, the base has 500000.0"); empty when there is none. Keys that
/// change nothing (versions, names, dtypes) may differ; a value that switches nothing on (null, false, 0, empty) is as good as none.
std::string settings_difference(const Path& base, const Path& other);

}  // namespace hellora
