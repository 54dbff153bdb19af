// In the place of gzip.cpp where the machine had no zlib1g-dev when this was built.
#include "hellora/core/error.h"
#include "hellora/io/source.h"

namespace hellora {

std::unique_ptr<ByteSource> unpack_gzip(std::unique_ptr<ByteSource>, const Path& path) {
  throw FormatError(path.string() + ": this build cannot read gzip (it was made without zlib1g-dev); unpack it: gzip -dc " + path.string());
}

}  // namespace hellora
