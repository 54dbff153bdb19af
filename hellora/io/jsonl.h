// JSON Lines: one JSON value a line; errors carry file and line number.
#pragma once

#include <functional>

#include "hellora/core/json.h"
#include "hellora/io/files.h"

namespace hellora {

/// Calls `visit(line_number, value)` for every non-empty line. FormatError "FILE:LINE: …" on a malformed line or invalid UTF-8.
void for_each_json_line(const Path& path, const std::function<void(int64_t, Json)>& visit);

/// Appends lines and flushes each; used for metrics.
class JsonLines {
 public:
  explicit JsonLines(const Path& path, bool append);
  ~JsonLines();
  JsonLines(const JsonLines&) = delete;
  JsonLines& operator=(const JsonLines&) = delete;
  void write(const Json& value);

 private:
  Path path_;
  int descriptor_ = -1;
};

}  // namespace hellora
