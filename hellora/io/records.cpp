#include "hellora/io/records.h"

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"

namespace hellora {
namespace {

/// Follows brackets and strings of JSON text, which may be malformed.
struct Nesting {
  int64_t depth = 0;
  bool in_string = false, escaped = false;

  void take(char c) {
    if (in_string) {
      if (!escaped && c == '"') in_string = false;
      escaped = !escaped && c == '\\';
      return;
    }
    in_string = c == '"';
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
  }
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

bool RecordReader::next(std::string& record) {
  if (!begun_) open_array();
  return array_ ? next_element(record) : LineReader::next(record);
}

/// Looks at the first character that is not blank; lines stay as they are.
void RecordReader::open_array() {
  begun_ = true;
  if (!refill()) return;
  size_t at = std::string_view(buffer_.data(), end_).starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (at < end_ && is_blank(buffer_[at])) ++at;
  if (at == end_ || buffer_[at] != '[') return;
  array_ = true;
  for (; at_ < at; ++at_) at_line_ += buffer_[at_] == '\n' ? 1 : 0;
  ++at_;
}

std::optional<char> RecordReader::peek() {
  if (at_ == end_ && !refill()) return std::nullopt;
  return buffer_[at_];
}

std::optional<char> RecordReader::skip_blanks() {
  std::optional<char> c = peek();
  for (; c && is_blank(*c); c = peek()) {
    at_line_ += *c == '\n' ? 1 : 0;
    ++at_;
  }
  return c;
}

void RecordReader::malformed(const std::string& what) const {
  throw FormatError(path_.string() + ":" + std::to_string(at_line_) + ": not a JSON array of records: " + what);
}

bool RecordReader::next_element(std::string& record) {
  if (ended_) return false;
  std::optional<char> c = skip_blanks();
  if (!first_ && c == ',') {
    ++at_;
    c = skip_blanks();
    if (c == ']') malformed("a comma before the end of the array");
  } else if (!first_ && c && c != ']') {
    malformed("expected a comma or the end of the array");
  }
  if (!c) malformed("the file ends inside of the array");
  first_ = false;
  if (c != ']') {
    read_element(record);
    return true;
  }
  ++at_;
  ended_ = true;
  if (skip_blanks()) malformed("there is more after the end of the array");
  return false;
}

/// Up to the comma or bracket that follows it.
void RecordReader::read_element(std::string& record) {
  record.clear();
  begin_ = at_line_;
  Nesting nesting;
  while (true) {
    const std::optional<char> next = peek();
    if (!next) break;
    const char c = *next;
    const bool outside = nesting.depth == 0 && !nesting.in_string;
    if (outside && (c == ',' || c == ']')) {
      while (!record.empty() && is_blank(record.back())) record.pop_back();
      if (record.empty()) malformed("a record is missing before the comma");
      return;
    }
    if (record.size() == longest_) {
      throw FormatError(path_.string() + ":" + std::to_string(begin_) + ": a record longer than " + std::to_string(longest_) + " bytes");
    }
    nesting.take(c);
    record += c;
    at_line_ += c == '\n' ? 1 : 0;
    ++at_;
  }
  malformed("the file ends inside of the record that begins at line " + std::to_string(begin_));
}

Json parse_record(std::string_view record, const std::string& where) {
  try {
    return parse_json_line(record, where);
  } catch (const FormatError& error) {
    Nesting nesting;
    for (const char c : record) nesting.take(c);
    if (nesting.depth <= 0 || nesting.in_string) throw;
    throw FormatError(std::string(error.what()) +
                      "; a record over several lines? Expected one record a line, or an array of them (jq -c . FILE > FILE.jsonl)");
  }
}

void for_each_record(const Path& path, const std::function<void(int64_t, Json)>& visit) {
  RecordReader records(path);
  for (std::string record; records.next(record);) {
    visit(records.number(), parse_record(record, path.string() + ":" + std::to_string(records.number())));
  }
}

}  // namespace hellora
