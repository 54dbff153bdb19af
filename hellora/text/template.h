// Chat templates: the part of Jinja that they use, with the settings and the output of transformers, byte for byte.
// Everything else is refused by name and line; a template can neither run code nor run for ever.
#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/core/json.h"

namespace hellora {

/// Bytes [begin, end) of a text.
struct TextSpan {
  size_t begin = 0, end = 0;
  friend bool operator==(const TextSpan&, const TextSpan&) = default;
};

struct Rendered {
  std::string text;
  std::vector<TextSpan> generated;  // what {% generation %} blocks wrote, in order
};

/// A rendering that needs more than this is refused: the template loops or grows without end.
struct TemplateLimits {
  int64_t steps = 20'000'000;
  int64_t bytes = int64_t{256} << 20;  // of values
  int64_t output = int64_t{64} << 20;
  int depth = 400;  // of nested evaluation, macro calls included
};

/// Immutable after parsing; safe to use from several threads.
class Template {
 public:
  /// FormatError "WHERE:LINE: …" when the template is malformed or uses a tag that is not supported.
  static Template parse(std::string_view source, const std::string& where);
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  /// `variables` is an object. DataError "WHERE:LINE: …" when the template raises or needs what is not supported. `now` is the clock
  /// of strftime_now; the machine's local time without it.
  Rendered render(const Json& variables, const std::optional<std::tm>& now = {}, const TemplateLimits& limits = {}) const;
  /// True when a {% generation %} block marks what the model writes.
  bool marks_generation() const;

 private:
  struct Impl;
  explicit Template(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace hellora
