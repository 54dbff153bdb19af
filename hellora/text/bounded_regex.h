// Regular expressions that somebody else wrote, over short names: what they mean is the same in Python and here, and what a match
// may cost is bounded.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace hellora {

/// A pattern for whole names, with an optional "anything." in front: Python's re.match(r"(.*\.)?(PATTERN)$", name).
class BoundedRegex {
 public:
  /// FormatError names `where`: not a regular expression, longer than 1,000 characters, nested too deeply, or with syntax that
  /// Python and PCRE2 read differently (back references, flags, named groups, classes by name, escapes beyond \d \w \s \b).
  BoundedRegex(const std::string& pattern, std::string where);
  ~BoundedRegex();
  BoundedRegex(BoundedRegex&&) noexcept;
  BoundedRegex& operator=(BoundedRegex&&) noexcept;

  /// FormatError when the pattern tries too many ways of matching.
  bool matches(std::string_view name) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
  std::string where_;
  mutable int64_t costly_ = 0;  // matches that needed more than the ordinary number of steps
};

}  // namespace hellora
