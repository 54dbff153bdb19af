// TensorBoard event files, read: the tags of a file and where they end. Nothing in the file is trusted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hellora/io/files.h"

namespace hellora {

enum class TagKind : uint8_t { scalar, histogram, other };

struct EventTag {
  std::string name;
  TagKind kind = TagKind::other;
  int64_t records = 0, first_step = 0, last_step = 0;  // in the file's order
  double last = 0;                                     // a scalar's last value; how many values the last histogram counts; else 0
};

struct EventFile {
  int64_t records = 0;         // with those that hold no value: the version, starts of sessions
  std::vector<EventTag> tags;  // by name
};

/// FormatError "FILE: record N at byte B: …" for a record that the file's end cuts, sums that do not hold, malformed protobuf, steps
/// beyond 2^60, values that are not finite, names that are no UTF-8 or longer than 1,000 bytes, more than 100,000 tags, a tag of two
/// kinds; and for a file that does not begin as event files do.
EventFile read_event_file(const Path& path);

}  // namespace hellora
