#include "hellora/io/standard_output.h"

#include <unistd.h>

#include <iostream>
#include <streambuf>
#include <string>

#include "hellora/core/error.h"
#include "hellora/io/descriptor.h"

namespace hellora {

class StandardOutput::Buffer : public std::streambuf {
 protected:
  int_type overflow(int_type c) override {
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    const char one = traits_type::to_char_type(c);
    xsputn(&one, 1);
    return c;
  }

  std::streamsize xsputn(const char* text, std::streamsize size) override {
    waiting_.append(text, static_cast<size_t>(size));
    constexpr size_t kMost = size_t{1} << 16;
    // Whole lines go out at once: they keep their place among the messages, and an error comes where it belongs.
    if (waiting_.size() >= kMost || waiting_.find('\n', waiting_.size() - static_cast<size_t>(size)) != std::string::npos) sync();
    return size;
  }

  int sync() override {
    const std::string text = std::exchange(waiting_, {});  // after an error, nothing is tried again
    write_all(STDOUT_FILENO, as_byte_span(text), "standard output");
    return 0;
  }

 private:
  std::string waiting_;
};

StandardOutput::StandardOutput() : buffer_(std::make_unique<Buffer>()), before_(std::cout.rdbuf(buffer_.get())) {
  std::cout.exceptions(std::ios::badbit);  // lets the buffer's own errors through
  std::cerr.tie(nullptr);                  // a progress line is not to fail because of results
}

StandardOutput::~StandardOutput() {
  std::cout.exceptions(std::ios::goodbit);
  std::cout.flush();
  std::cout.rdbuf(before_);
}

void StandardOutput::finish() { std::cout.flush(); }

}  // namespace hellora
