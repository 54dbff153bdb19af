// Zstandard by libzstd.
#include <zstd.h>

#include <vector>

#include "hellora/core/error.h"
#include "hellora/io/source.h"

namespace hellora {
namespace {

class Zstd : public ByteSource {
 public:
  Zstd(std::unique_ptr<ByteSource> packed, const Path& path)
      : packed_(std::move(packed)), path_(path), buffer_(ZSTD_DStreamInSize()), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {
    if (stream_ == nullptr) throw DataError("cannot read " + path_.string() + ": out of memory");
  }

  size_t read(std::span<char> into) override {
    ZSTD_outBuffer out = {into.data(), into.size(), 0};
    while (out.pos == 0) {
      // What is left over inside of the library comes out before more is read.
      if (in_.pos == in_.size && !pending_ && !refill()) {
        if (inside_) throw FormatError(path_.string() + ": the zstd data ends early");
        return 0;
      }
      const size_t result = ZSTD_decompressStream(stream_.get(), &out, &in_);
      if (ZSTD_isError(result) != 0) throw FormatError(path_.string() + ": damaged zstd data (" + ZSTD_getErrorName(result) + ")");
      inside_ = result != 0;  // 0: a frame is complete; another may follow
      pending_ = out.pos == out.size && inside_;
    }
    return out.pos;
  }

 private:
  bool refill() {
    in_ = {buffer_.data(), packed_->read(buffer_), 0};
    return in_.size > 0;
  }

  std::unique_ptr<ByteSource> packed_;
  Path path_;
  std::vector<char> buffer_;
  std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool inside_ = false, pending_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> unpack_zstd(std::unique_ptr<ByteSource> packed, const Path& path) {
  return std::make_unique<Zstd>(std::move(packed), path);
}

}  // namespace hellora
