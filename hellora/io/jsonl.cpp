#include "hellora/io/jsonl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/core/utf8.h"
#include "hellora/io/descriptor.h"

namespace hellora {

void for_each_json_line(const Path& path, const std::function<void(int64_t, Json)>& visit) {
  { const Descriptor probe(open_for_reading(path)); }  // names the reason, which a stream does not
  std::ifstream in(path, std::ios::binary);
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    const std::string where = path.string() + ":" + std::to_string(number);
    std::string_view text = line;
    if (number == 1 && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    if (!is_utf8(text)) throw FormatError(where + ": not valid UTF-8");
    if (text.starts_with(kByteOrderMark))
      throw FormatError(where + ": byte order mark inside the file; expected it before line 1 or nowhere");
    if (!trim(text).empty()) visit(number, parse_json(text, where));  // untrimmed: a column counts from the line's begin
  }
  if (in.bad() || !in.eof()) throw DataError("cannot read " + path.string() + ": read error");
}

JsonLines::JsonLines(const Path& path, bool append) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
  if (descriptor_ < 0) system_error("write", path, errno);
}

JsonLines::~JsonLines() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void JsonLines::write(const Json& value) {
  // A path in a message may hold bytes that are no UTF-8: they are replaced, a metrics line must not end a run.
  const std::string line = value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  write_all(descriptor_, as_byte_span(line), path_);  // one write a line: a reader never waits for a buffer
}

}  // namespace hellora
