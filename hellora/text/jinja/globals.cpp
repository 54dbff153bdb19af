#include <array>
#include <ctime>

#include "hellora/text/jinja/python.h"

namespace hellora::jinja {
namespace {

constexpr int64_t kMaxRange = 100000;  // as Jinja's sandbox

Value range(Machine& machine, const Value&, const Bound& args) {
  const bool one = args[1] == nullptr;
  const int64_t start = one ? 0 : integer_argument(machine, *args[0], "start"),
                stop = integer_argument(machine, *args[one ? 0 : 1], "stop");
  const int64_t step = args[2] == nullptr ? 1 : integer_argument(machine, *args[2], "step");
  if (step == 0) machine.fail("range: step is 0");
  std::vector<Value> items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    items.push_back(integer(i));
    if (static_cast<int64_t>(items.size()) > kMaxRange) machine.fail("range: more than " + std::to_string(kMaxRange) + " items");
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  const Value out = machine.list(std::move(items), Style::range);
  out.list->repr = "range(" + std::to_string(start) + ", " + std::to_string(stop) + (step == 1 ? "" : ", " + std::to_string(step)) + ")";
  return out;
}

/// Entries of dict(…) and namespace(…): a mapping or pairs, then named ones.
std::vector<Entry> collected(Machine& machine, const Args& args) {
  if (args.positional.size() > 1) machine.fail("expected at most one argument without a name");
  std::vector<Entry> entries;
  const auto put = [&](const Value& key, const Value& value) {
    for (Entry& known : entries) {
      if (!equal(machine, known.first, key)) continue;
      known.second = value;
      return;
    }
    entries.emplace_back(key, value);
  };
  if (!args.positional.empty() && is(args.positional[0], Kind::dict)) {
    for (const auto& [key, value] : args.positional[0].dict->entries) put(key, value);
  } else if (!args.positional.empty()) {
    for (const Value& pair : iterate(machine, args.positional[0])) {
      const std::vector<Value> both = iterate(machine, pair);
      if (both.size() != 2) machine.fail("expected pairs of key and value");
      if (!is_hashable(both[0])) machine.fail("a " + std::string(type_name(both[0])) + " cannot be a key");
      put(both[0], both[1]);
    }
  }
  for (const auto& [name, value] : args.named) put(view(name), value);
  return entries;
}

Value make_dict(Machine& machine, const Value&, const Bound& args) { return machine.dict(collected(machine, *args.all)); }

Value make_namespace(Machine& machine, const Value&, const Bound& args) {
  const Value out = machine.space();
  for (const auto& [key, value] : collected(machine, *args.all)) {
    const std::string_view name = text_argument(machine, key, "the name of an attribute");
    if (name.starts_with('_')) machine.fail("an attribute of a namespace cannot begin with \"_\"");
    out.space->names.emplace_back(name, value);
  }
  return out;
}

Value raise(Machine& machine, const Value&, const Bound& args) { machine.fail("the template says: " + str(machine, *args[0])); }

/// The clock has no zone and no fraction of a second, as Python's datetime without a zone prints it.
Value strftime_now(Machine& machine, const Value&, const Bound& args) {
  std::tm now{};
  if (machine.now) {
    now = *machine.now;
  } else {
    const std::time_t seconds = std::time(nullptr);
    localtime_r(&seconds, &now);
  }
  const std::string_view format = text_argument(machine, *args[0], "format");
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    const char directive = format[i] == '%' && i + 1 < format.size() ? format[i + 1] : '\0';
    if (directive == '\0') {
      out += format[i];
      continue;
    }
    ++i;
    if (directive == 'f') machine.fail("strftime_now: %f is not supported");
    if (directive == 'z' || directive == 'Z') continue;
    std::array<char, 128> buffer{};
    const std::array<char, 3> one = {'%', directive, '\0'};
    out.append(buffer.data(), std::strftime(buffer.data(), buffer.size(), one.data(), &now));
  }
  return machine.string(std::move(out));
}

constexpr std::array<Routine, 5> kGlobals = {{
    {"range", "start stop? step?", range},
    {"dict", "*", make_dict},
    {"namespace", "*", make_namespace},
    {"raise_exception", "message", raise},
    {"strftime_now", "format", strftime_now},
}};

}  // namespace

std::span<const Routine> globals() { return kGlobals; }

}  // namespace hellora::jinja
