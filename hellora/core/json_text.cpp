#include "hellora/core/json_text.h"

namespace hellora {

std::string dump_json(const Json& value, int indent) { return value.dump(indent, ' ', false, Json::error_handler_t::replace); }

}  // namespace hellora
