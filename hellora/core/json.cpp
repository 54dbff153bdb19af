#include "hellora/core/json.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "hellora/core/error.h"

namespace hellora {
namespace {

constexpr size_t kMaxDepth = 128;

[[noreturn]] void wrong_type(std::string_view key, const char* wanted, const Json& value, const std::string& where) {
  throw FormatError(where + ": key \"" + std::string(key) + "\" must be " + wanted + ", found " + value.type_name());
}

int64_t as_int(const Json& value, std::string_view key, const std::string& where) {
  if (!value.is_number_integer()) wrong_type(key, "an integer", value, where);
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    throw FormatError(where + ": key \"" + std::string(key) + "\" does not fit into 64 signed bits");
  }
  return value.get<int64_t>();
}

/// Builds the tree itself: nlohmann's own builder takes duplicate keys, and looks each key of an ordered object up in linear
/// time, which a vocabulary or a checkpoint index of 100 000 names turns into minutes.
class TreeBuilder : public nlohmann::json_sax<Json> {
 public:
  TreeBuilder(std::string_view text, const std::string& where) : text_(text), where_(where) {}
  Json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(int64_t value) override { return put(value); }
  bool number_unsigned(uint64_t value) override { return put(value); }
  bool number_float(double value, const std::string&) override { return put(value); }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }  // only in the binary formats
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    using Members = Json::object_t;
    auto& members = open_.back().place->get_ref<Members&>();
    if (!is_new(open_.back().names, members, name)) throw FormatError(where_ + ": duplicate key \"" + name + "\"");
    members.Members::Container::emplace_back(name, nullptr);
    return true;
  }

  bool parse_error(size_t position, const std::string&, const Json::exception& error) override {
    throw FormatError(where_ + ": not valid JSON" + place(position) + " (" + reason(error.what()) + ")");
  }

 private:
  struct Level {
    Json* place;  // stays valid: its parent grows only after it is closed
    std::unordered_set<std::string> names;
  };

  /// Small objects, which most are, are looked through; the names of others are kept.
  static bool is_new(std::unordered_set<std::string>& names, const Json::object_t& members, const std::string& name) {
    constexpr size_t kFew = 8;
    if (members.size() < kFew) return std::none_of(members.begin(), members.end(), [&](const auto& one) { return one.first == name; });
    if (names.empty()) {
      for (const auto& one : members) names.insert(one.first);
    }
    return names.insert(name).second;
  }

  /// The byte where reading stopped, as people count; the line only where there are several.
  std::string place(size_t position) const {
    const std::string_view read = text_.substr(0, position);
    const auto line = std::count(read.begin(), read.end(), '\n') + 1;
    const std::string column = "column " + std::to_string(read.size() - (read.rfind('\n') + 1));
    return line == 1 ? " at " + column : " at line " + std::to_string(line) + ", " + column;
  }

  /// nlohmann's message without its own number and place.
  static std::string reason(std::string_view what) {
    if (const size_t end = what.find("] "); end != std::string_view::npos) what.remove_prefix(end + 2);
    const size_t end = what.starts_with("parse error at ") ? what.find(": ") : std::string_view::npos;
    return std::string(end == std::string_view::npos ? what : what.substr(end + 2));
  }

  Json* add(Json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    Json& parent = *open_.back().place;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    Json& slot = parent.get_ref<Json::object_t&>().back().second;  // made by key()
    return &(slot = std::move(value));
  }

  bool put(Json value) {
    add(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (open_.size() == kMaxDepth) throw FormatError(where_ + ": JSON nested deeper than " + std::to_string(kMaxDepth) + " levels");
    open_.push_back({add(std::move(container)), {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::string& where_;
  Json root_;
  std::vector<Level> open_;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  // nlohmann's lexer takes a NUL byte for the end of the text and would not see what follows it.
  if (text.find('\0') != std::string_view::npos) throw FormatError(where + ": not valid JSON (a NUL byte)");
  TreeBuilder builder(text, where);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

bool has(const Json& value, std::string_view key) {
  if (!value.is_object()) return false;
  const auto it = value.find(std::string(key));
  return it != value.end() && !it->is_null();
}

const Json& member(const Json& value, std::string_view key, const std::string& where) {
  if (!value.is_object()) throw FormatError(where + ": expected a JSON object, found " + value.type_name());
  const auto it = value.find(std::string(key));
  if (it == value.end()) throw FormatError(where + ": key \"" + std::string(key) + "\" is missing");
  return *it;
}

int64_t int_member(const Json& value, std::string_view key, const std::string& where) {
  return as_int(member(value, key, where), key, where);
}

double double_member(const Json& value, std::string_view key, const std::string& where) {
  const Json& found = member(value, key, where);
  if (!found.is_number()) wrong_type(key, "a number", found, where);
  return found.get<double>();
}

bool bool_member(const Json& value, std::string_view key, const std::string& where) {
  const Json& found = member(value, key, where);
  if (!found.is_boolean()) wrong_type(key, "true or false", found, where);
  return found.get<bool>();
}

std::string string_member(const Json& value, std::string_view key, const std::string& where) {
  const Json& found = member(value, key, where);
  if (!found.is_string()) wrong_type(key, "a string", found, where);
  return found.get<std::string>();
}

std::vector<int64_t> ints_member(const Json& value, std::string_view key, const std::string& where) {
  const Json& found = member(value, key, where);
  if (!found.is_array()) wrong_type(key, "an array of integers", found, where);
  std::vector<int64_t> out;
  out.reserve(found.size());
  for (const Json& item : found) out.push_back(as_int(item, key, where));
  return out;
}

int64_t int_or(const Json& value, std::string_view key, int64_t fallback, const std::string& where) {
  return has(value, key) ? int_member(value, key, where) : fallback;
}
double double_or(const Json& value, std::string_view key, double fallback, const std::string& where) {
  return has(value, key) ? double_member(value, key, where) : fallback;
}
bool bool_or(const Json& value, std::string_view key, bool fallback, const std::string& where) {
  return has(value, key) ? bool_member(value, key, where) : fallback;
}
std::string string_or(const Json& value, std::string_view key, const std::string& fallback, const std::string& where) {
  return has(value, key) ? string_member(value, key, where) : fallback;
}

}  // namespace hellora
