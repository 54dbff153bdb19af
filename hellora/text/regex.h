// A compiled PCRE2 pattern over UTF-8 with Unicode properties.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace hellora {

class Regex {
 public:
  /// FormatError names `where` when the pattern does not compile.
  Regex(const std::string& pattern, const std::string& where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  /// Calls visit(begin, end) for each non-empty match from left to right. `text` must be valid UTF-8.
  void for_each_match(std::string_view text, const std::function<void(size_t begin, size_t end)>& visit) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

/// Every regular-expression character of `text` escaped.
std::string escape_regex(std::string_view text);

}  // namespace hellora
