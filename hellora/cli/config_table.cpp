#include "hellora/cli/config_table.h"

#include "hellora/cli/help.h"
#include "hellora/core/text.h"
#include "hellora/recipe/spellings.h"

namespace hellora {
namespace {

constexpr size_t kKeyColumn = 34, kDetailColumn = 12;

std::string section_of(const std::string& key) {
  const size_t dot = key.find('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}

std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

/// The largest ends of ranges as a person says them.
std::string accepted(const Field& field) {
  std::string text = field.accepts;
  const size_t to = text.rfind(" to ");
  if (to != std::string::npos && text.size() - to - 4 > 9) text = text.substr(0, to) + " up";
  return text;
}

}  // namespace

std::string default_text(const Field& field) {
  const std::vector<std::string> values = field.get();
  return field.is_list ? "[" + join(values, ", ") + "]" : values.at(0);
}

Json field_json(const Fields& fields, const Field& field) {
  return Json{{"key", field.key},
              {"default", field.is_list ? Json(field.get()) : Json(field.get().at(0))},
              {"accepts", field.accepts},
              {"list", field.is_list},
              {"help", field.help},
              {"aliases", aliases_of(fields, field.key)},
              {"free_on_resume", field.free_on_resume}};
}

std::string fields_text(const Fields& fields, const std::string& section) {
  std::string out, last = "-";
  for (const Field& field : fields.all()) {
    const std::string own = section_of(field.key);
    if (!section.empty() && own != section) continue;
    if (own != last && !out.empty()) out += "\n";
    last = own;
    const std::string value = default_text(field);
    const std::string facts = field.help + " [default " + (value.empty() ? "none" : value) + "; " + accepted(field) + "]";
    out += two_columns(field.key, facts, kKeyColumn);
  }
  return out;
}

std::string field_details(const Fields& fields, const Field& field) {
  const std::string value = default_text(field), section = section_of(field.key);
  const std::string word = section.empty() ? field.key : field.key.substr(section.size() + 1);
  std::string out = field.key + "\n" + two_columns("  what", field.help, kDetailColumn);
  out += two_columns("  default", value.empty() ? "none" : value, kDetailColumn);
  out += two_columns("  accepts", accepted(field), kDetailColumn);
  const std::vector<std::string> names = aliases_of(fields, field.key);
  if (!names.empty()) out += two_columns("  also", join(names, ", "), kDetailColumn);
  out += two_columns(
      "  write",
      field.key + "=VALUE, or in a file " + (section.empty() ? "" : section + ": {") + word + ": VALUE" + (section.empty() ? "" : "}"),
      kDetailColumn);
  return out;
}

std::string fields_markdown(const Fields& fields) {
  std::string out = "| key | default | accepts | what |\n|---|---|---|---|\n";
  for (const Field& field : fields.all()) {
    const std::string value = default_text(field);
    out += "| `" + field.key + "` | " + (value.empty() ? "" : "`" + cell(value) + "`") + " | " + cell(accepted(field)) + " | " +
           cell(field.help) + " |\n";
  }
  return out;
}

}  // namespace hellora
