// The configuration's keys as people read them: every declared field with its default, range, help and other names.
#pragma once

#include <string>

#include "hellora/core/json.h"
#include "hellora/recipe/run_config.h"

namespace hellora {

/// "0.0004", "[a, b]", "" for an empty text.
std::string default_text(const Field& field);

/// {key, default, accepts, list, help, aliases, free_on_resume}; the default is the value that the field has now.
Json field_json(const Fields& fields, const Field& field);

/// Keys in sections, with default, range and help; `section` "" prints all.
std::string fields_text(const Fields& fields, const std::string& section);

/// One key in detail.
std::string field_details(const Fields& fields, const Field& field);

/// The table of docs/configuration.md.
std::string fields_markdown(const Fields& fields);

}  // namespace hellora
