// What the fuzz targets share: input as a file in memory, and the rule that only hellora::Error may come out.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "hellora/core/error.h"
#include "hellora/io/files.h"

namespace hellora::fuzz {

/// A file without a disk; its path works as long as the object lives.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : descriptor_(::memfd_create("fuzz", 0)) {
    for (size_t done = 0; done < size;) {
      const ssize_t written = ::write(descriptor_, data + done, size - done);
      if (written < 0) std::abort();
      done += static_cast<size_t>(written);
    }
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(descriptor_); }
  Path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

/// Any other exception ends the process, which libFuzzer reports.
template <class Action>
int only_user_errors(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    if (*error.what() == '\0') std::abort();
  }
  return 0;
}

/// A property of accepted input that does not hold is a finding.
inline void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace hellora::fuzz
