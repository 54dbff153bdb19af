#include <array>

#include "hellora/text/jinja/filters.h"
#include "hellora/text/jinja/text_work.h"
#include "hellora/text/jinja/unicode.h"

namespace hellora::jinja {
namespace {

/// A result keeps the mark of `safe`.
Value like(const Value& self, Value result) {
  result.safe = self.safe;
  return result;
}

Value trim(Machine& machine, const Value& self, const Bound& args) {
  std::optional<std::string_view> set;
  if (args[0] != nullptr && !is(*args[0], Kind::none)) set = text_argument(machine, *args[0], "chars");
  return like(self, view(strip(text_of(machine, self), set)));
}

Value upper_case(Machine& machine, const Value& self, const Bound&) { return like(self, machine.string(upper(text_of(machine, self)))); }
Value lower_case(Machine& machine, const Value& self, const Bound&) { return like(self, machine.string(lower(text_of(machine, self)))); }
Value capital(Machine& machine, const Value& self, const Bound&) { return like(self, machine.string(capitalize(text_of(machine, self)))); }
Value string(Machine& machine, const Value& self, const Bound&) { return like(self, view(text_of(machine, self))); }

/// Jinja's own rule: a word begins after white space, - and opening brackets.
Value title_case(Machine& machine, const Value& self, const Bound&) {
  const auto breaks = [](std::string_view one) {
    return std::string_view("-({[<").find(one) != std::string_view::npos || is_space(code_point_at(one, 0));
  };
  std::string out, word;
  const auto close = [&] {
    if (word.empty()) return;
    const std::string_view first = characters(word)[0];
    out += upper(first);
    out += lower(std::string_view(word).substr(first.size()));
    word.clear();
  };
  for (const std::string_view one : characters(text_of(machine, self))) {
    if (!breaks(one)) {
      word += one;
      continue;
    }
    close();
    out += one;
  }
  close();
  return machine.string(std::move(out));
}

Value replace_text(Machine& machine, const Value& self, const Bound& args) {
  int64_t count = -1;
  if (args[2] != nullptr && !is(*args[2], Kind::none)) count = integer_argument(machine, *args[2], "count");
  return machine.string(replaced(machine, text_of(machine, self), text_of(machine, *args[0]), text_of(machine, *args[1]), count));
}

/// What one level of indentation adds.
std::string indentation(Machine& machine, const Value& width, std::string_view name) {
  if (is(width, Kind::string)) return std::string(width.text);
  const int64_t count = std::max<int64_t>(0, integer_argument(machine, width, name));
  machine.reserve(count);
  return std::string(static_cast<size_t>(count), ' ');
}

Value indent(Machine& machine, const Value& self, const Bound& args) {
  const std::string step = indentation(machine, given(args[0], integer(4)), "width");
  const bool first = flag(args[1]), blank = flag(args[2]);
  std::string text(text_argument(machine, self, "what indent takes"));
  text.push_back('\n');  // so that an empty last line counts
  const std::vector<std::string_view> lines = split_lines(text);
  int64_t added = 0;
  if (__builtin_mul_overflow(static_cast<int64_t>(lines.size()), static_cast<int64_t>(step.size()), &added)) added = INT64_MAX / 2;
  machine.reserve(added);
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.push_back('\n');
    if (i == 0 ? first : blank || !lines[i].empty()) out.append(step);
    out.append(lines[i]);
  }
  return like(self, machine.string(std::move(out)));
}

Value safe(Machine& machine, const Value& self, const Bound&) {
  Value out = view(text_of(machine, self));
  out.safe = true;
  return out;
}

/// The parameters are those of the filter that transformers puts in the place of Jinja's.
Value tojson(Machine& machine, const Value& self, const Bound& args) {
  JsonStyle style;
  style.ascii = flag(args[0]);
  if (args[1] != nullptr && !is(*args[1], Kind::none)) {
    style.indent = indentation(machine, *args[1], "indent");
    style.item.pop_back();  // the line break takes the place of the blank
  }
  if (args[2] != nullptr && !is(*args[2], Kind::none)) {
    const std::vector<Value> separators = iterate(machine, *args[2]);
    if (separators.size() != 2) machine.fail("tojson: separators must be two strings");
    style.item = text_argument(machine, separators[0], "a separator");
    style.key = text_argument(machine, separators[1], "a separator");
  }
  style.sort = flag(args[3]);
  return machine.string(to_json(machine, self, style));
}

constexpr std::array<Routine, 10> kFilters = {{
    {"trim", "chars?", trim},
    {"upper", "", upper_case},
    {"lower", "", lower_case},
    {"capitalize", "", capital},
    {"title", "", title_case},
    {"string", "", string},
    {"replace", "old new count?", replace_text},
    {"indent", "width? first? blank?", indent},
    {"safe", "", safe},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", tojson},
}};

}  // namespace

std::span<const Routine> text_filters() { return kFilters; }

std::string_view text_of(Machine& machine, const Value& value) {
  return is(value, Kind::string) ? value.text : machine.string(str(machine, value)).text;
}

}  // namespace hellora::jinja
