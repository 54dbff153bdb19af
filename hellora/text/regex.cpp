#include "hellora/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"

namespace hellora {
namespace {

using Context = std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)>;
using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

/// Room for the whole match; making one for every piece of text would cost more than most matches.
pcre2_match_data* room() {
  thread_local const MatchData data(pcre2_match_data_create(1, nullptr), &pcre2_match_data_free);
  return data.get();
}

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  bool fast = false;  // compiled to machine code
  ~Code() { pcre2_code_free(code); }
};

Regex::Regex(const std::string& pattern, const std::string& where) : code_(std::make_unique<Code>()) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  const Context context(pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);  // what "." and "$" mean must not depend on how the library was built
  code_->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP, &error, &offset, context.get());
  if (code_->code == nullptr) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    throw FormatError(where + ": pattern does not compile at position " + std::to_string(offset) + ": " +
                      reinterpret_cast<const char*>(message.data()));
  }
  code_->fast = pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE) == 0;  // optional: the interpreter gives the same matches
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

std::optional<Regex::Match> Regex::find(std::string_view text, size_t from) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  int found = PCRE2_ERROR_JIT_STACKLIMIT;
  if (code_->fast) found = pcre2_jit_match(code_->code, subject, text.size(), from, 0, room(), nullptr);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT)  // the interpreter takes its memory from the heap
    found = pcre2_match(code_->code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, room(), nullptr);
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (found < 0) throw DataError("a pre-tokenizer pattern gave up on a text (PCRE2 error " + std::to_string(found) + ")");
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(room());
  return Match{ends[0], ends[1]};
}

void Regex::for_each_match(std::string_view text, const std::function<void(size_t, size_t)>& visit) const {
  std::optional<size_t> last_end;
  for (size_t at = 0; at <= text.size();) {
    const std::optional<Match> match = find(text, at);
    if (!match) return;
    if (match->begin == match->end && last_end == match->end) {
      at = match->end == text.size() ? text.size() + 1 : match->end + utf8_length(text, match->end);
      continue;
    }
    visit(match->begin, match->end);
    last_end = at = match->end;
  }
}

std::string escape_regex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}-/#").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace hellora
