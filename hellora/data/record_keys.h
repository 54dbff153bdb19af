// Keys of a record and of a turn that no format reads: known to change nothing, refused by name, or named to the user once.
#pragma once

#include <string>
#include <vector>

#include "hellora/data/format.h"

namespace hellora {

/// FormatError "WHERE: …" for a key that would change what is learned and has no meaning here: preference pairs, images, a mark of what
/// is learned that nobody knows, a system message where the format has no place for one. Other keys that are neither the format's nor
/// known to be harmless, and hold something, are appended to `unread`.
void check_record_keys(const RecordFormat& format, const Json& record, const std::string& where, std::vector<std::string>& unread);
/// The same for a turn; its other keys are the template's.
void check_turn_keys(const Json& turn, const std::string& place);
/// What a record that has the keys of no format probably is, with what to do about it; empty when it looks like nothing known.
std::string guess_record(const Json& record);

}  // namespace hellora
