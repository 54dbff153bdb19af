#include <array>
#include <charconv>
#include <cmath>

#include "hellora/core/utf8.h"
#include "hellora/text/jinja/python.h"
#include "hellora/text/jinja/unicode.h"

namespace hellora::jinja {
namespace {

std::string hex_escape(uint32_t c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const size_t digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
  std::string out = c < 0x100 ? "\\x" : c < 0x10000 ? "\\u" : "\\U";
  for (size_t i = digits; i > 0; --i) out += kDigits[c >> (4 * (i - 1)) & 0xF];
  return out;
}

std::string quoted(std::string_view text) {
  const bool doubled = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = doubled ? '"' : '\'';
  std::string out(1, quote);
  for (const std::string_view one : characters(text)) {
    const uint32_t c = code_point_at(one, 0);
    if (c == static_cast<uint32_t>(quote) || c == '\\') {
      out.append("\\").append(one);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else {
      out += is_printable(c) ? std::string(one) : hex_escape(c);
    }
  }
  return out += quote;
}

std::string joined(Machine& machine, const std::vector<Value>& items) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    out += repr(machine, items[i]);
  }
  return out;
}

std::string list_text(Machine& machine, const List& list) {
  const std::string items = joined(machine, list.items);
  const auto wrapped = [&](const char* before, const char* after) {
    std::string out = before;
    out += items;
    return out += after;
  };
  switch (list.style) {
    case Style::list: return wrapped("[", "]");
    case Style::tuple: return wrapped("(", list.items.size() == 1 ? ",)" : ")");
    case Style::items_view: return wrapped("dict_items([", "])");
    case Style::keys_view: return wrapped("dict_keys([", "])");
    case Style::values_view: return wrapped("dict_values([", "])");
    case Style::range: return list.repr;
    case Style::iterator: break;
  }
  machine.fail("an iterator cannot be printed; make it a list with the filter list");
}

std::string dict_text(Machine& machine, const Dict& dict) {
  std::string out = "{";
  for (const auto& [key, value] : dict.entries) {
    if (out.size() > 1) out += ", ";
    out += repr(machine, key);
    out += ": ";
    out += repr(machine, value);
  }
  return out += "}";
}

}  // namespace

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  // The shortest digits that read back, laid out as Python does: an exponent below 1e-4 and from 1e16 on.
  std::array<char, 64> buffer{};
  const auto scientific = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string text(buffer.data(), scientific.ptr);
  const size_t mark = text.find('e');
  const int power = std::stoi(text.substr(mark + 1));  // lint: digits that to_chars has written
  if (power < -4 || power >= 16) return text;
  const auto fixed = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  text.assign(buffer.data(), fixed.ptr);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

std::string repr(Machine& machine, const Value& value) {
  const Machine::Level level(machine);
  machine.tick();
  switch (value.kind) {
    case Kind::undefined: return "Undefined";
    case Kind::none: return "None";
    case Kind::boolean: return value.boolean ? "True" : "False";
    case Kind::integer: return std::to_string(value.integer);
    case Kind::number: return float_text(value.number);
    case Kind::string: return quoted(value.text);
    case Kind::list: return list_text(machine, *value.list);
    case Kind::dict: return dict_text(machine, *value.dict);
    default: machine.fail("a " + std::string(type_name(value)) + " cannot be printed");
  }
}

std::string str(Machine& machine, const Value& value) {
  if (is(value, Kind::undefined)) return {};
  return is(value, Kind::string) ? std::string(value.text) : repr(machine, value);
}

}  // namespace hellora::jinja
