#include "hellora/text/bounded_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "hellora/core/error.h"
#include "hellora/core/printable.h"

namespace hellora {
namespace {

constexpr size_t kMaxLength = 1000;
constexpr uint32_t kSteps = 2000, kMostSteps = 20000;  // of one match: ordinary names need some hundred
constexpr int64_t kMaxCostly = 100;                    // matches of one pattern that may need more than kSteps
constexpr uint32_t kHeapKiB = 1024;

using MatchContext = std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)>;
using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Walks a pattern and finds what the two dialects do not share.
class Shared {
 public:
  explicit Shared(std::string_view pattern) : text_(pattern) {}

  /// The first piece of syntax that is not shared, or "".
  std::string foreign() {
    while (at_ < text_.size()) {
      const size_t begin = at_;
      if (!piece()) return std::string(text_.substr(begin, 4));
    }
    return "";
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  bool piece() {
    const char c = text_[at_++];
    if (c < ' ' || c > '~') return false;
    if (c == '\\') return escape();
    if (c == '[') return set();
    if (c == '(') return group();
    return c != '{' || repeat();
  }

  bool escape() {
    const char c = peek();
    ++at_;
    if (is_letter(c)) return std::string_view("dDwWsSbB").find(c) != std::string_view::npos;
    return c > ' ' && c <= '~' && !is_digit(c);
  }

  bool group() {
    if (peek() == '*') return false;
    if (peek() != '?') return true;
    const std::string_view rest = text_.substr(at_);
    for (const std::string_view head : {"?:", "?=", "?!", "?<=", "?<!"}) {
      if (!rest.starts_with(head)) continue;
      at_ += head.size();
      return true;
    }
    return false;
  }

  bool set() {
    if (peek() == '^') ++at_;
    if (peek() == ']') ++at_;
    while (at_ < text_.size() && text_[at_] != ']') {
      const char c = text_[at_++];
      if (c < ' ' || c > '~' || c == '[') return false;
      if (c == '\\' && (peek() == 'b' || peek() == 'B' || !escape())) return false;
    }
    return at_++ < text_.size();
  }

  bool repeat() {
    const size_t begin = at_;
    while (is_digit(peek())) ++at_;
    if (at_ == begin || at_ - begin > 4) return false;
    if (peek() == ',') {
      ++at_;
      while (is_digit(peek())) ++at_;
    }
    return at_ - begin <= 9 && at_ < text_.size() && text_[at_++] == '}';
  }

  std::string_view text_;
  size_t at_ = 0;
};

pcre2_code* compile(const std::string& pattern, uint32_t options, const std::string& where) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options | PCRE2_NEVER_UTF, &error, &offset, nullptr);
  if (code != nullptr) return code;
  std::array<PCRE2_UCHAR, 256> message{};
  pcre2_get_error_message(error, message.data(), message.size());
  throw FormatError(where + " is not a regular expression that hellora reads (" + reinterpret_cast<const char*>(message.data()) + ")");
}

}  // namespace

struct BoundedRegex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

BoundedRegex::BoundedRegex(const std::string& pattern, std::string where) : code_(std::make_unique<Code>()), where_(std::move(where)) {
  if (pattern.size() > kMaxLength)
    throw FormatError(where_ + " is longer than " + std::to_string(kMaxLength) + " characters, the most for a regular expression");
  if (const std::string foreign = Shared(pattern).foreign(); !foreign.empty())
    throw FormatError(where_ + " holds \"" + printable(foreign) + "\", which is not among the regular expressions that hellora reads");
  // Alone first: "a)|(b" would be whole only inside the parentheses that are put around it.
  code_->code = compile(pattern, 0, where_);
  pcre2_code_free(code_->code);
  code_->code = compile("(?:.*\\.)?(?:" + pattern + ")", PCRE2_ANCHORED | PCRE2_ENDANCHORED, where_);
}

BoundedRegex::~BoundedRegex() = default;
BoundedRegex::BoundedRegex(BoundedRegex&&) noexcept = default;
BoundedRegex& BoundedRegex::operator=(BoundedRegex&&) noexcept = default;

bool BoundedRegex::matches(std::string_view name) const {
  const MatchContext context(pcre2_match_context_create(nullptr), &pcre2_match_context_free);
  const MatchData data(pcre2_match_data_create(1, nullptr), &pcre2_match_data_free);
  pcre2_set_heap_limit(context.get(), kHeapKiB);
  int found = PCRE2_ERROR_MATCHLIMIT;
  for (const uint32_t steps : {kSteps, kMostSteps}) {
    pcre2_set_match_limit(context.get(), steps);
    found = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, PCRE2_NO_JIT, data.get(), context.get());
    if (found != PCRE2_ERROR_MATCHLIMIT || ++costly_ > kMaxCostly) break;
  }
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0) throw FormatError(where_ + " takes too many steps on the name " + printable(name) + "; write it more simply");
  return true;
}

}  // namespace hellora
