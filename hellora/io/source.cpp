#include "hellora/io/source.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "hellora/core/error.h"
#include "hellora/io/descriptor.h"

namespace hellora {
namespace {

constexpr size_t kHead = 32;  // bytes that tell what a file is

/// A file as it is; its first bytes can be looked at before they are read.
class PlainSource : public ByteSource {
 public:
  explicit PlainSource(const Path& path) : path_(path), file_(open_for_reading(path)) {
    while (head_size_ < kHead) {
      const size_t count = read_file({head_.data() + head_size_, kHead - head_size_});
      if (count == 0) break;
      head_size_ += count;
    }
  }

  std::string_view head() const { return {head_.data(), head_size_}; }

  size_t read(std::span<char> into) override {
    if (head_used_ == head_size_) return read_file(into);
    const size_t count = std::min(into.size(), head_size_ - head_used_);
    std::memcpy(into.data(), head_.data() + head_used_, count);
    head_used_ += count;
    return count;
  }

 private:
  size_t read_file(std::span<char> into) {
    while (true) {
      const ssize_t count = ::read(file_.get(), into.data(), into.size());
      if (count >= 0) return static_cast<size_t>(count);
      if (errno != EINTR) system_error("read", path_, errno);
    }
  }

  Path path_;
  Descriptor file_;
  std::array<char, kHead> head_{};
  size_t head_size_ = 0, head_used_ = 0;
};

using namespace std::string_view_literals;

struct Kind {
  std::string_view magic, name, command;  // IN and OUT stand for the files
};
constexpr std::string_view kPandas = "python3 -c \"import pandas; pandas.read_PARSER('IN').to_json('OUT', orient='records', lines=True)\"";
constexpr std::array<Kind, 8> kKinds = {{
    {"PAR1"sv, "Parquet", kPandas},
    {"ARROW1"sv, "Arrow", "python3 -c \"import datasets; datasets.Dataset.from_file('IN').to_json('OUT')\""},
    {"\xFF\xFF\xFF\xFF"sv, "Arrow", "python3 -c \"import datasets; datasets.Dataset.from_file('IN').to_json('OUT')\""},
    {"PK\x03\x04"sv, "zip", "unzip -p IN > OUT"},
    {"BZh"sv, "bzip2", "bzip2 -dc IN > OUT"},
    {"\xFD"
     "7zXZ"sv,
     "xz", "xz -dc IN > OUT"},
    {"SQLite format 3"sv, "SQLite", ""},
    {"\x89HDF"sv, "HDF5", ""},
}};

std::string filled(std::string_view command, const Path& path, std::string_view parser) {
  std::string out(command);
  const auto put = [&](std::string_view mark, const std::string& text) {
    if (const size_t at = out.find(mark); at != std::string::npos) out.replace(at, mark.size(), text);
  };
  Path lines = path;
  put("PARSER", std::string(parser));
  put("IN", path.string());
  put("OUT", lines.replace_extension(".jsonl").string());
  return out;
}

[[noreturn]] void refuse(const Path& path, const std::string& what, std::string_view command, std::string_view parser) {
  std::string text = path.string() + ": " + what + " is not read; expected JSON Lines, plain or packed with gzip or zstd";
  if (!command.empty()) text += ": " + filled(command, path, parser);
  throw FormatError(text);
}

void refuse_others(const Path& path, std::string_view head) {
  for (const Kind& kind : kKinds) {
    if (!head.starts_with(kind.magic)) continue;
    refuse(path, std::string(kind.name), kind.command, "parquet");
  }
  const size_t first = head.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const bool json = first == std::string_view::npos || head[first] == '{' || head[first] == '[';
  const std::string extension = path.extension().string();
  if (!json && (extension == ".csv" || extension == ".tsv")) refuse(path, extension.substr(1), kPandas, "csv");
}

}  // namespace

std::unique_ptr<ByteSource> open_source(const Path& path) {
  auto file = std::make_unique<PlainSource>(path);
  const std::string_view head = file->head();
  if (head.starts_with("\x1F\x8B")) return unpack_gzip(std::move(file), path);
  if (head.starts_with("\x28\xB5\x2F\xFD")) return unpack_zstd(std::move(file), path);
  refuse_others(path, head);
  return file;
}

}  // namespace hellora
