// JSON Lines: one JSON value a line; errors carry file and line number.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/io/source.h"

namespace hellora {

/// Reads a text file, plain or packed (io/source.h), line by line and holds no more than one line of it.
class LineReader {
 public:
  static constexpr size_t kLongest = size_t{64} << 20;
  explicit LineReader(const Path& path, size_t longest = kLongest);
  /// The next line that is not blank, without its end and without a byte order mark before line 1; false at the end of the file.
  /// FormatError "FILE:LINE: …" when it has more than `longest` bytes.
  bool next(std::string& line);
  /// Of the line that came last, from 1.
  int64_t number() const { return number_; }

 protected:
  /// Reads on into the buffer, whose bytes have all been used; false at the end of the file.
  bool refill();

  Path path_;
  size_t longest_;
  std::vector<char> buffer_;
  size_t at_ = 0, end_ = 0;  // what is left in the buffer

 private:
  bool read_line(std::string& line);

  std::unique_ptr<ByteSource> source_;
  int64_t number_ = 0;
};

/// A line's value. FormatError "WHERE: …" when it is malformed or no valid UTF-8.
Json parse_json_line(std::string_view line, const std::string& where);

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
