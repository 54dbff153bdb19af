#include "hellora/io/jsonl.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/utf8.h"
#include "hellora/io/descriptor.h"
#include "hellora/io/source.h"

namespace hellora {
namespace {

constexpr size_t kBufferBytes = 1 << 16;

}  // namespace

LineReader::LineReader(const Path& path, size_t longest)
    : path_(path), longest_(longest), buffer_(kBufferBytes), source_(open_source(path)) {}

bool LineReader::refill() {
  at_ = 0;
  end_ = source_->read(buffer_);
  return end_ > 0;
}

bool LineReader::read_line(std::string& line) {
  line.clear();
  if (at_ == end_ && !refill()) return false;
  ++number_;
  do {
    const char* begin = buffer_.data() + at_;
    const void* found = std::memchr(begin, '\n', end_ - at_);
    const size_t count = found == nullptr ? end_ - at_ : static_cast<size_t>(static_cast<const char*>(found) - begin);
    if (count > longest_ - line.size()) {
      throw FormatError(path_.string() + ":" + std::to_string(number_) + ": longer than " + std::to_string(longest_) +
                        " bytes; expected one JSON value a line");
    }
    line.append(begin, count);
    at_ += count;
    if (found != nullptr) {
      ++at_;
      return true;
    }
  } while (refill());
  return true;  // the last line may end with the file
}

bool LineReader::next(std::string& line) {
  while (read_line(line)) {
    if (number_ == 1 && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
    if (line.find_first_not_of(" \t\r") != std::string::npos) return true;
  }
  return false;
}

Json parse_json_line(std::string_view line, const std::string& where) {
  if (!is_utf8(line)) throw FormatError(where + ": not valid UTF-8");
  if (line.starts_with(kByteOrderMark))
    throw FormatError(where + ": byte order mark inside the file; expected it before line 1 or nowhere");
  return parse_json(line, where);  // untrimmed: a column counts from the line's begin
}

void for_each_json_line(const Path& path, const std::function<void(int64_t, Json)>& visit) {
  LineReader lines(path);
  for (std::string line; lines.next(line);) {
    visit(lines.number(), parse_json_line(line, path.string() + ":" + std::to_string(lines.number())));
  }
}

JsonLines::JsonLines(const Path& path, bool append) : path_(path), descriptor_(open_for_adding(path, append)) {}

JsonLines::~JsonLines() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void JsonLines::write(const Json& value) {
  const std::string line = dump_json(value) + "\n";
  write_all(descriptor_, as_byte_span(line), path_);  // one write a line: a reader never waits for a buffer
}

}  // namespace hellora
