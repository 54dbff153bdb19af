#include "hellora/cli/help.h"

#include <algorithm>
#include <map>

#include "hellora/core/text.h"

namespace hellora {
namespace {

constexpr size_t kOptionColumn = 26;

/// What stands for the value of an option: by name where the type says too little.
std::string placeholder(const CLI::Option& option) {
  static const std::map<std::string, std::string> names = {{"--model", "DIR"},    {"--adapter", "DIR"},     {"--merged", "DIR"},
                                                           {"--exported", "DIR"}, {"--out", "PATH"},        {"--data", "FILE"},
                                                           {"--profile", "FILE"}, {"--config", "FILE"},     {"--ids", "FILE"},
                                                           {"--plan", "FILE"},    {"--shots-data", "FILE"}, {"--routing", "FILE"},
                                                           {"--resume", "RUN"},   {"--check", "FILE"},      {"--policy", "NAME"},
                                                           {"--arch", "NAME"},    {"--method", "NAME"},     {"--format", "NAME"},
                                                           {"--task", "NAME"},    {"--recipe", "NAME"},     {"--k", "K"}};
  if (option.get_items_expected_max() == 0) return {};
  const std::string type = option.get_type_name(), base = type.substr(0, type.find_first_of(": "));
  const auto it = names.find(option.get_name());
  std::string text = it != names.end() ? it->second : base == "INT" || base == "UINT" ? "N" : base == "FLOAT" ? "X" : "TEXT";
  return text + (option.get_items_expected_max() > 1 ? " …" : "");
}

/// "1 to 64" from CLI11's "INT in [1 - 64]"; nothing for a range without an end that anyone could reach.
std::string range_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (const size_t open = type.find("in ["); open != std::string::npos) {
    const std::string inner = type.substr(open + 4, type.find(']', open) - open - 4);
    const size_t dash = inner.find(" - ");
    if (dash == std::string::npos) return {};
    const std::string low = inner.substr(0, dash), high = inner.substr(dash + 3);
    return high.size() > 9 ? low + " or more" : low + " to " + high;
  }
  if (const size_t open = type.find('{'); open != std::string::npos) {
    std::string names = type.substr(open + 1, type.find('}', open) - open - 1);
    std::string out;
    for (const std::string& name : split(names, ',')) out += (out.empty() ? "" : ", ") + name;
    return "one of " + out;
  }
  return {};
}

/// The default, unless it only marks that nothing was given: empty, or outside the option's own range.
std::string default_of(const CLI::Option& option) {
  std::string text = option.get_default_str();
  if (text.empty() || text == "[]" || text.starts_with('{') || option.get_items_expected_max() == 0) return {};
  try {
    for (int i = 0; i < 4; ++i) {
      std::string value = text;
      if (!(*const_cast<CLI::Option&>(option).get_validator(i))(value).empty()) return {};
    }
  } catch (const CLI::OptionNotFound&) {  // that was the last one
  }
  return text;
}

std::string explained(const CLI::Option& option) {
  std::vector<std::string> facts;
  if (option.get_required()) facts.emplace_back("needed");
  if (const std::string text = default_of(option); !text.empty()) facts.push_back("default " + text);
  if (const std::string text = range_of(option); !text.empty()) facts.push_back(text);
  return option.get_description() + (facts.empty() ? "" : " [" + join(facts, "; ") + "]");
}

std::string label_of(const CLI::Option& option) {
  if (option.nonpositional()) {
    const std::string value = placeholder(option);
    return option.get_name(false, true) + (value.empty() ? "" : " " + value);
  }
  return option.get_name(true) == "overrides" ? "key=value …" : option.get_name(true);
}

std::string section(const CLI::App& app, const std::string& title, const std::string& group, bool positional) {
  std::string out;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() == group && option->nonpositional() != positional)
      out += two_columns("  " + label_of(*option), explained(*option), kOptionColumn);
  }
  return out.empty() ? out : "\n" + title + ":\n" + out;
}

std::string usage(const CLI::App& app, const std::string& name) {
  std::string line = "Usage: " + name;
  if (!app.get_subcommands([](const CLI::App*) { return true; }).empty()) return line + " COMMAND [options]\n";
  for (const CLI::Option* option : app.get_options()) {
    if (!option->nonpositional()) {
      line += " [" + label_of(*option) + "]";
    } else if (option->get_required()) {
      line += " " + option->get_name() + " " + placeholder(*option);
    }
  }
  return line + " [options]\n";
}

std::string command_help(const CLI::App& app, const std::string& name) {
  std::string out = usage(app, name) + "\n" + two_columns("", app.get_description(), 0);
  const auto below = app.get_subcommands([](const CLI::App*) { return true; });
  if (!below.empty()) out += "\nCommands:\n";
  for (const CLI::App* one : below) out += two_columns("  " + one->get_name(), one->get_description(), kOptionColumn);
  out += section(app, "Arguments", "Options", true) + section(app, "Options", "Options", false);
  out += section(app, kCommonGroup, kCommonGroup, false);
  for (const CommandRow& row : command_table()) {
    if (app.get_name() != row.name || row.examples[0] == nullptr) continue;
    out += "\nExamples:\n";
    for (const char* example : row.examples) out += std::string("  ") + example + "\n";
  }
  return out;
}

std::string program_help(const CLI::App& app) {
  std::string out = "Usage: hellora COMMAND [options]\n\n" + two_columns("", app.get_description(), 0), group;
  for (const CommandRow& row : command_table()) {
    if (row.group != nullptr && group != row.group) {
      group = row.group;
      out += "\n" + group + ":\n";
    }
    out += two_columns(std::string("  ") + row.name, row.summary, 14);
  }
  return out +
         "\n`hellora help COMMAND` shows a command's options and examples, `hellora config` the keys of the\n"
         "configuration, `hellora --version` the version.\n";
}

class Help : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const override {
    return app->get_parent() == nullptr ? program_help(*app) : command_help(*app, name);
  }
};

/// Columns that a text takes on a terminal: code points, good enough for what help texts hold.
size_t columns(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0U) != 0x80U; }));
}

}  // namespace

std::string two_columns(const std::string& label, const std::string& text, size_t column, size_t width) {
  std::string out = label, margin(column, ' ');
  size_t at = columns(label);
  if (column > 0 && at + 1 > column) {
    out += "\n" + margin;
    at = column;
  }
  if (at < column) {
    out += std::string(column - at, ' ');
    at = column;
  }
  bool first = true;
  for (const std::string& word : split(text, ' ')) {
    if (word.empty()) continue;
    if (!first && at + 1 + columns(word) > width) {
      out += "\n" + margin;
      at = column;
    } else if (!first) {
      out += ' ';
      ++at;
    }
    out += word;
    at += columns(word);
    first = false;
  }
  return out + "\n";
}

std::shared_ptr<CLI::FormatterBase> help_formatter() { return std::make_shared<Help>(); }

}  // namespace hellora
