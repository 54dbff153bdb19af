// The bytes of a file of text, one piece after the other: as they are, or unpacked where the file is compressed.
#pragma once

#include <memory>
#include <span>

#include "hellora/io/files.h"

namespace hellora {

class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;
  /// How many bytes were read, 0 at the end. DataError "cannot read PATH: …"; FormatError "PATH: …" for damaged data.
  virtual size_t read(std::span<char> into) = 0;
};

/// Opens a regular file. By its first bytes, not by its name, it is plain text, gzip or zstd; FormatError for what is recognised and not
/// read (Parquet, Arrow, zip, xz, …; CSV by its name) says with which command it becomes JSON Lines.
std::unique_ptr<ByteSource> open_source(const Path& path);

// What open_source puts around a file; on a machine that lacks the library each refuses instead (io/*_absent.cpp).
std::unique_ptr<ByteSource> unpack_gzip(std::unique_ptr<ByteSource> packed, const Path& path);
std::unique_ptr<ByteSource> unpack_zstd(std::unique_ptr<ByteSource> packed, const Path& path);

}  // namespace hellora
