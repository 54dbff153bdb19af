// A compiled PCRE2 pattern over UTF-8 with Unicode properties.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace hellora {

class Regex {
 public:
  struct Match {
    size_t begin, end;
  };

  /// FormatError names `where` when the pattern does not compile.
  Regex(const std::string& pattern, const std::string& where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// The leftmost match that begins at `from` or later. `text` must be valid UTF-8.
  std::optional<Match> find(std::string_view text, size_t from = 0) const;
  /// Calls visit(begin, end) for each match from left to right. An empty match is visited unless it touches the one before.
  void for_each_match(std::string_view text, const std::function<void(size_t begin, size_t end)>& visit) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

/// Every regular-expression character of `text` escaped.
std::string escape_regex(std::string_view text);

}  // namespace hellora
