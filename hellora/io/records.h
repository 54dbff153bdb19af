// Records of a file, one at a time: JSON Lines, or the elements of a JSON array; plain or packed.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "hellora/io/jsonl.h"

namespace hellora {

/// Holds no more than one record. A file whose first character is [ is one array of records, which may stand on any lines.
class RecordReader : private LineReader {
 public:
  explicit RecordReader(const Path& path, size_t longest = kLongest) : LineReader(path, longest) {}
  /// The next record's JSON text; false at the end. FormatError "FILE:LINE: …" where an array is malformed or a record has more than
  /// `longest` bytes. The text itself is not parsed.
  bool next(std::string& record);
  /// Where the record that came last begins, from 1.
  int64_t number() const { return array_ ? begin_ : LineReader::number(); }

 private:
  void open_array();
  bool next_element(std::string& record);
  void read_element(std::string& record);
  std::optional<char> peek();
  std::optional<char> skip_blanks();
  [[noreturn]] void malformed(const std::string& what) const;

  bool begun_ = false, array_ = false, first_ = true, ended_ = false;
  int64_t at_line_ = 1, begin_ = 0;
};

/// A record's value. FormatError "WHERE: …" when it is malformed or no valid UTF-8; one that goes on in the next line is named as such.
Json parse_record(std::string_view record, const std::string& where);

/// Calls `visit(line, value)` for every record of a file.
void for_each_record(const Path& path, const std::function<void(int64_t, Json)>& visit);

}  // namespace hellora
