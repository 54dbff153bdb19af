// gzip by zlib.
#include <zlib.h>

#include <vector>

#include "hellora/core/error.h"
#include "hellora/io/source.h"

namespace hellora {
namespace {

constexpr size_t kPackedBytes = size_t{1} << 16;

class Gzip : public ByteSource {
 public:
  Gzip(std::unique_ptr<ByteSource> packed, const Path& path) : packed_(std::move(packed)), path_(path), buffer_(kPackedBytes) {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw DataError("cannot read " + path_.string() + ": out of memory");  // 16: gzip
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
  ~Gzip() override { inflateEnd(&stream_); }

  size_t read(std::span<char> into) override {
    stream_.next_out = reinterpret_cast<Bytef*>(into.data());
    stream_.avail_out = static_cast<uInt>(into.size());
    while (stream_.avail_out == into.size()) {
      if (stream_.avail_in == 0 && !refill()) {
        if (inside_) throw FormatError(path_.string() + ": the gzip data ends early");
        return 0;
      }
      if (!inside_) begin_member();
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result == Z_STREAM_END) {
        inside_ = false;  // another member may follow
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        throw FormatError(path_.string() + ": damaged gzip data (" + (stream_.msg != nullptr ? stream_.msg : "zlib error") + ")");
      }
    }
    return into.size() - stream_.avail_out;
  }

 private:
  void begin_member() {
    inflateReset(&stream_);
    inside_ = true;
  }

  bool refill() {
    const size_t count = packed_->read(buffer_);
    stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
    stream_.avail_in = static_cast<uInt>(count);
    return count > 0;
  }

  std::unique_ptr<ByteSource> packed_;
  Path path_;
  std::vector<char> buffer_;
  z_stream stream_{};
  bool inside_ = false;  // of a member
};

}  // namespace

std::unique_ptr<ByteSource> unpack_gzip(std::unique_ptr<ByteSource> packed, const Path& path) {
  return std::make_unique<Gzip>(std::move(packed), path);
}

}  // namespace hellora
