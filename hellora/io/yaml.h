// YAML configuration as a flat list of dotted keys with their lines; yaml-cpp does the parsing.
#pragma once

#include <string>
#include <vector>

#include "hellora/io/files.h"

namespace hellora {

struct YamlEntry {
  std::string key;                  // "train.lr"
  std::vector<std::string> values;  // one for a scalar, any number for a list of scalars
  bool is_list = false;
  int line = 0;          // 1-based
  bool is_null = false;  // null, ~ or nothing; the one value is then empty
};

/// Nested maps become dotted keys, and so do the maps of a list, by their place: "datasets.0.path". FormatError "FILE:LINE: …"
/// for syntax errors, duplicate keys, tabs in the indentation, merge keys, tags of one's own, null in a list, lists of
/// lists, anchors that nest deeper than 16 levels, and a top level that is not a map. Bounded: one document, at most 1 MiB of text and 100
/// 000 values (aliases counted each time they are used).
std::vector<YamlEntry> read_yaml(const Path& path);

}  // namespace hellora
