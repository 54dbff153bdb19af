// In the place of zstd.cpp where the machine had no libzstd-dev when this was built.
#include "hellora/core/error.h"
#include "hellora/io/source.h"

namespace hellora {

std::unique_ptr<ByteSource> unpack_zstd(std::unique_ptr<ByteSource>, const Path& path) {
  throw FormatError(path.string() + ": this build cannot read zstd (it was made without libzstd-dev); unpack it: zstd -dc " +
                    path.string());
}

}  // namespace hellora
