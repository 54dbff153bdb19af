// Which files of a model folder belong to the model beside its weights and config.json: tokenizer, templates, generation, license.
#pragma once

#include <string>
#include <vector>

#include "hellora/io/files.h"

namespace hellora {

/// Their names relative to the folder, sorted: known names only, and of these regular files or links to one (a hub cache keeps
/// its files elsewhere). No other file is any business of a copy: it may be anybody's.
std::vector<std::string> model_files(const Path& folder);

/// False for those that change nothing of what the model says (license).
bool changes_text(const std::string& name);

/// Copies them into `out`.
void copy_model_files(const Path& folder, const Path& out);

}  // namespace hellora
