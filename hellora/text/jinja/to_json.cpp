#include <algorithm>
#include <cmath>

#include "hellora/text/jinja/python.h"
#include "hellora/text/jinja/unicode.h"

namespace hellora::jinja {
namespace {

std::string unit_escape(uint32_t unit) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[unit >> static_cast<unsigned>(shift) & 0xF];
  return out;
}

std::string escape_of(uint32_t c, std::string_view text, bool ascii) {
  switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\b': return "\\b";
    case '\f': return "\\f";
    default: break;
  }
  if (c < 0x20) return unit_escape(c);
  if (!ascii || c < 0x7F) return std::string(text);
  if (c < 0x10000) return unit_escape(c);
  return unit_escape(0xD800 + ((c - 0x10000) >> 10)) + unit_escape(0xDC00 + ((c - 0x10000) & 0x3FF));
}

class Writer {
 public:
  Writer(Machine& machine, const JsonStyle& style) : machine_(machine), style_(style) {}

  void value(const Value& value) {
    const Machine::Level level(machine_);
    machine_.tick();
    switch (value.kind) {
      case Kind::string: return string(value.text);
      case Kind::dict: return object(*value.dict);
      case Kind::list:
        if (value.list->style == Style::list || value.list->style == Style::tuple) return array(*value.list);
        break;
      case Kind::none:
      case Kind::boolean:
      case Kind::integer:
      case Kind::number: out += scalar(value); return;
      default: break;
    }
    machine_.fail("tojson: a value of type " + std::string(type_name(value)) + " is not JSON" + (value.text.empty() ? "" : ": ") +
                  std::string(value.text));
  }

  std::string out;

 private:
  static std::string scalar(const Value& value) {
    if (is(value, Kind::none)) return "null";
    if (is(value, Kind::boolean)) return value.boolean ? "true" : "false";
    if (is(value, Kind::integer)) return std::to_string(value.integer);
    if (std::isnan(value.number)) return "NaN";
    if (std::isinf(value.number)) return value.number < 0 ? "-Infinity" : "Infinity";
    return float_text(value.number);
  }

  void string(std::string_view text) {
    out += '"';
    for (const std::string_view one : characters(text)) out += escape_of(code_point_at(one, 0), one, style_.ascii);
    out += '"';
  }

  void key(const Value& key) {
    if (is(key, Kind::string)) return string(key.text);
    if (!is(key, Kind::none) && !is_numeric(key)) machine_.fail("tojson: a key of type " + std::string(type_name(key)) + " is not JSON");
    string(scalar(key));
  }

  void line_break() {
    if (!style_.indent) return;
    out += '\n';
    for (int i = 0; i < level_; ++i) out += *style_.indent;
  }

  void array(const List& list) {
    if (list.items.empty()) {
      out += "[]";
      return;
    }
    out += '[';
    ++level_;
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out += style_.item;
      line_break();
      value(list.items[i]);
    }
    --level_;
    line_break();
    out += ']';
  }

  void object(const Dict& dict) {
    if (dict.entries.empty()) {
      out += "{}";
      return;
    }
    std::vector<Entry> entries = dict.entries;
    if (style_.sort) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const Entry& a, const Entry& b) { return compare(machine_, a.first, b.first, "<") < 0; });
    }
    out += '{';
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out += style_.item;
      line_break();
      key(entries[i].first);
      out += style_.key;
      value(entries[i].second);
    }
    --level_;
    line_break();
    out += '}';
  }

  Machine& machine_;
  const JsonStyle& style_;
  int level_ = 0;
};

}  // namespace

std::string to_json(Machine& machine, const Value& value, const JsonStyle& style) {
  Writer writer(machine, style);
  writer.value(value);
  return std::move(writer.out);
}

}  // namespace hellora::jinja
