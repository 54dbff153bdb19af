#include <array>

#include "hellora/core/utf8.h"
#include "hellora/text/jinja/methods.h"
#include "hellora/text/jinja/python.h"
#include "hellora/text/jinja/text_work.h"
#include "hellora/text/jinja/unicode.h"

namespace hellora::jinja {
namespace {

bool is_given(const Value* argument) { return argument != nullptr && !is(*argument, Kind::none); }

template <Side kSide>
Value strip_text(Machine& machine, const Value& self, const Bound& args) {
  std::optional<std::string_view> set;
  if (is_given(args[0])) set = text_argument(machine, *args[0], "chars");
  return view(strip(self.text, set, kSide));
}

/// str.split() without a separator: runs of white space, none at the ends.
std::vector<Value> split_space(std::string_view text, int64_t most) {
  std::vector<Value> out;
  text = strip(text, std::nullopt, Side::left);
  while (!text.empty()) {
    if (most >= 0 && static_cast<int64_t>(out.size()) == most) {
      out.push_back(view(strip(text, std::nullopt, Side::right)));
      return out;
    }
    size_t end = 0;
    while (end < text.size() && !is_space(code_point_at(text, end))) end += utf8_length(text, end);
    out.push_back(view(text.substr(0, end)));
    text = strip(text.substr(end), std::nullopt, Side::left);
  }
  return out;
}

Value split(Machine& machine, const Value& self, const Bound& args) {
  const int64_t most = args[1] == nullptr ? -1 : integer_argument(machine, *args[1], "maxsplit");
  machine.tick(static_cast<int64_t>(self.text.size() / 64));
  if (!is_given(args[0])) return machine.list(split_space(self.text, most));
  const std::string_view separator = text_argument(machine, *args[0], "sep");
  if (separator.empty()) machine.fail("split: the separator is empty");
  std::vector<Value> out;
  std::string_view rest = self.text;
  for (size_t at = rest.find(separator); at != std::string_view::npos && (most < 0 || static_cast<int64_t>(out.size()) < most);
       at = rest.find(separator)) {
    out.push_back(view(rest.substr(0, at)));
    rest.remove_prefix(at + separator.size());
  }
  out.push_back(view(rest));
  return machine.list(std::move(out));
}

Value rsplit(Machine& machine, const Value& self, const Bound& args) {
  const int64_t most = args[1] == nullptr ? -1 : integer_argument(machine, *args[1], "maxsplit");
  if (!is_given(args[0])) {
    if (most >= 0) machine.fail("rsplit with a maximum needs a separator");
    return machine.list(split_space(self.text, -1));
  }
  const std::string_view separator = text_argument(machine, *args[0], "sep");
  if (separator.empty()) machine.fail("rsplit: the separator is empty");
  std::vector<Value> out;
  std::string_view rest = self.text;
  for (size_t at = rest.rfind(separator); at != std::string_view::npos && (most < 0 || static_cast<int64_t>(out.size()) < most);
       at = rest.rfind(separator)) {
    out.insert(out.begin(), view(rest.substr(at + separator.size())));
    rest = rest.substr(0, at);
  }
  out.insert(out.begin(), view(rest));
  return machine.list(std::move(out));
}

Value splitlines(Machine& machine, const Value& self, const Bound& args) {
  if (args[0] != nullptr && truth(*args[0])) machine.fail("splitlines: keepends is not supported");
  std::vector<Value> out;
  for (const std::string_view line : split_lines(self.text)) out.push_back(view(line));
  return machine.list(std::move(out));
}

/// The part that start and end choose, as a slice.
std::string_view part(Machine& machine, const Value& self, const Value* start, const Value* end) {
  if (!is_given(start) && !is_given(end)) return self.text;
  return slice(machine, self, is_given(start) ? *start : none(), is_given(end) ? *end : none(), none()).text;
}

template <bool kAtEnd>
Value affixed(Machine& machine, const Value& self, const Bound& args) {
  const std::string_view text = part(machine, self, args[1], args[2]);
  const auto fits = [&](const Value& one) {
    const std::string_view affix = text_argument(machine, one, "the argument");
    return kAtEnd ? text.ends_with(affix) : text.starts_with(affix);
  };
  if (!is_style(*args[0], Style::tuple)) return boolean(fits(*args[0]));
  for (const Value& one : args[0]->list->items) {
    if (fits(one)) return boolean(true);
  }
  return boolean(false);
}

Value upper_case(Machine& machine, const Value& self, const Bound&) { return machine.string(upper(self.text)); }
Value lower_case(Machine& machine, const Value& self, const Bound&) { return machine.string(lower(self.text)); }
Value title_case(Machine& machine, const Value& self, const Bound&) { return machine.string(title(self.text)); }
Value capital(Machine& machine, const Value& self, const Bound&) { return machine.string(capitalize(self.text)); }

Value replace(Machine& machine, const Value& self, const Bound& args) {
  const int64_t count = args[2] == nullptr ? -1 : integer_argument(machine, *args[2], "count");
  const std::string_view old = text_argument(machine, *args[0], "old"), with = text_argument(machine, *args[1], "new");
  return machine.string(replaced(machine, self.text, old, with, count));
}

/// Characters in front of the first or last place; nullopt when there is none.
std::optional<int64_t> place(Machine& machine, const Value& self, const Bound& args, bool from_right) {
  if (is_given(args[1]) || is_given(args[2])) machine.fail("finding with start or end is not supported");
  const std::string_view what = text_argument(machine, *args[0], "the argument");
  const size_t at = from_right ? self.text.rfind(what) : self.text.find(what);
  machine.tick(static_cast<int64_t>(self.text.size() / 64));
  if (at == std::string_view::npos) return std::nullopt;
  return count_characters(self.text.substr(0, at));
}

template <bool kFromRight>
Value find(Machine& machine, const Value& self, const Bound& args) {
  return integer(place(machine, self, args, kFromRight).value_or(-1));
}

Value index(Machine& machine, const Value& self, const Bound& args) {
  const std::optional<int64_t> at = place(machine, self, args, false);
  if (!at) machine.fail("index: the text is not there");
  return integer(*at);
}

Value count(Machine& machine, const Value& self, const Bound& args) {
  const std::string_view text = part(machine, self, args[1], args[2]), what = text_argument(machine, *args[0], "the argument");
  if (what.empty()) return integer(count_characters(text) + 1);
  int64_t found = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++found;
  return integer(found);
}

Value join(Machine& machine, const Value& self, const Bound& args) {
  std::string out;
  bool first = true;
  for (const Value& one : iterate(machine, *args[0])) {
    if (!first) out += self.text;
    first = false;
    out += text_argument(machine, one, "an item to join");
    machine.reserve(static_cast<int64_t>(out.size()));
  }
  return machine.string(std::move(out));
}

template <bool kAtEnd>
Value without(Machine& machine, const Value& self, const Bound& args) {
  const std::string_view affix = text_argument(machine, *args[0], "the argument");
  if (affix.empty() || !(kAtEnd ? self.text.ends_with(affix) : self.text.starts_with(affix))) return view(self.text);
  return view(kAtEnd ? self.text.substr(0, self.text.size() - affix.size()) : self.text.substr(affix.size()));
}

Value all_space(Machine&, const Value& self, const Bound&) { return boolean(!self.text.empty() && strip(self.text, std::nullopt).empty()); }

constexpr std::array<Routine, 47> kMethods = {{
    {"strip", "/ chars?", strip_text<Side::both>},
    {"lstrip", "/ chars?", strip_text<Side::left>},
    {"rstrip", "/ chars?", strip_text<Side::right>},
    {"split", "sep? maxsplit?", split},
    {"rsplit", "sep? maxsplit?", rsplit},
    {"splitlines", "keepends?", splitlines},
    {"startswith", "/ prefix start? end?", affixed<false>},
    {"endswith", "/ suffix start? end?", affixed<true>},
    {"upper", "", upper_case},
    {"lower", "", lower_case},
    {"title", "", title_case},
    {"capitalize", "", capital},
    {"replace", "/ old new count?", replace},
    {"find", "/ sub start? end?", find<false>},
    {"rfind", "/ sub start? end?", find<true>},
    {"index", "/ sub start? end?", index},
    {"count", "/ sub start? end?", count},
    {"join", "/ iterable", join},
    {"removeprefix", "/ prefix", without<false>},
    {"removesuffix", "/ suffix", without<true>},
    {"isspace", "", all_space},
    // What Python has beyond these is refused by name: it must not pass for an undefined attribute.
    {"casefold", "*", nullptr},
    {"center", "*", nullptr},
    {"encode", "*", nullptr},
    {"expandtabs", "*", nullptr},
    {"format", "*", nullptr},
    {"format_map", "*", nullptr},
    {"isalnum", "*", nullptr},
    {"isalpha", "*", nullptr},
    {"isascii", "*", nullptr},
    {"isdecimal", "*", nullptr},
    {"isdigit", "*", nullptr},
    {"isidentifier", "*", nullptr},
    {"islower", "*", nullptr},
    {"isnumeric", "*", nullptr},
    {"isprintable", "*", nullptr},
    {"istitle", "*", nullptr},
    {"isupper", "*", nullptr},
    {"ljust", "*", nullptr},
    {"maketrans", "*", nullptr},
    {"partition", "*", nullptr},
    {"rindex", "*", nullptr},
    {"rjust", "*", nullptr},
    {"rpartition", "*", nullptr},
    {"swapcase", "*", nullptr},
    {"translate", "*", nullptr},
    {"zfill", "*", nullptr},
}};

}  // namespace

std::span<const Routine> text_methods() { return kMethods; }

}  // namespace hellora::jinja
