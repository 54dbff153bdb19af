// Standard output as a place that can fail: a full disk, a closed descriptor or a pipe without a reader is an error like that of any file.
#pragma once

#include <memory>

namespace hellora {

/// While it lives, std::cout writes to descriptor 1, a line at a time; a write that fails is a DataError "cannot write standard output: …"
/// at the place of the write. Who broke it once gets no more of it.
class StandardOutput {
 public:
  StandardOutput();
  StandardOutput(const StandardOutput&) = delete;
  StandardOutput& operator=(const StandardOutput&) = delete;
  ~StandardOutput();  // writes what is left, without a word
  /// Writes what is left; DataError.
  void finish();

 private:
  class Buffer;
  std::unique_ptr<Buffer> buffer_;
  std::streambuf* before_;
};

}  // namespace hellora
