// Where what a person names lies: home folders, names of the Hugging Face hub, folders of its cache. Nothing is downloaded.
#pragma once

#include <string>

#include "hellora/io/files.h"

namespace hellora {

/// "~" and "~/…" by $HOME. ConfigError for another user's home, and without $HOME.
std::string expand_home(const std::string& text, const std::string& where);

/// The folder of a model or an adapter. A folder that is there is taken as it is, a folder of the hub's cache (models--org--name)
/// by its snapshot; a name of the hub ("org/name") is looked up in the cache ($HF_HUB_CACHE, else $HF_HOME/hub, else
/// ~/.cache/huggingface/hub). ConfigError that says how to get a local folder. What is no name of the hub comes back as it is.
std::string find_place(const std::string& text, const std::string& where);

/// ConfigError for a name of the hub, or a folder, where a data file is meant.
void check_data_file(const std::string& text, const std::string& where);

}  // namespace hellora
