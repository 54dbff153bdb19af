// Configuration fields, declared once: default, parsing, range, help and printing come from one declaration.
// A section is a plain struct with a function that returns its fields; the command line joins the sections.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hellora {

/// One declared key. `set` takes the scalar (or the list items) as text and throws ConfigError; `get` prints the value.
struct Field {
  std::string key, help, accepts;
  bool is_list = false;
  std::function<void(std::span<const std::string>, const std::string& where)> set;
  std::function<std::vector<std::string>()> get;
  bool spaces = false;          // items of a list may hold spaces: file names
  bool free_on_resume = false;  // may differ between the start of a run and its resume: paths, threads, evaluation
};

using Auto = std::optional<int64_t>;  // nullopt prints and parses as "auto"

Field text_field(const std::string& key, std::string* value, std::string help);
Field flag_field(const std::string& key, bool* value, std::string help);
Field int_field(const std::string& key, int64_t* value, int64_t low, int64_t high, std::string help);
Field auto_field(const std::string& key, Auto* value, int64_t low, int64_t high, std::string help);
Field double_field(const std::string& key, double* value, double low, double high, std::string help);
Field choice_field(const std::string& key, std::string* value, std::vector<std::string> choices, std::string help);
Field list_field(const std::string& key, std::vector<std::string>* value, std::string help);
Field files_field(const std::string& key, std::vector<std::string>* value, std::string help);
/// The same field, free to differ when a run is resumed.
Field free_on_resume(Field field);

/// All fields of a configuration, by key.
class Fields {
 public:
  void add(std::vector<Field> more);
  const std::vector<Field>& all() const { return fields_; }
  /// ConfigError names `where` and the nearest known key.
  const Field& find(const std::string& key, const std::string& where) const;
  /// For the command line: `key=value`, lists separated by commas, optionally in brackets.
  void set_text(const std::string& key, const std::string& value, const std::string& where) const;
  void set(const std::string& key, std::span<const std::string> values, const std::string& where) const;

 private:
  std::vector<Field> fields_;
};

double parse_double(const std::string& text, const std::string& where);
int64_t parse_int(const std::string& text, const std::string& where);

}  // namespace hellora
