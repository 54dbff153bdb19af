// Commands: every row of the table declares itself with help texts and refuses what it does not know.
#include "hellora/cli/command_line.h"

#include <algorithm>
#include <set>

#include "hellora/core/json.h"
#include "tests/support/helpers.h"
#include "tests/support/tables.h"

namespace hellora::testing {
namespace {

class CommandTableRow : public ::testing::TestWithParam<TableRow<CommandRow>> {
 protected:
  CommandTableRow() : app_("test"), command_(GetParam()->make()), sub_(app_.add_subcommand(GetParam()->name, GetParam()->summary)) {
    command_->declare(*sub_);
  }
  CLI::App app_;
  std::unique_ptr<Command> command_;
  CLI::App* sub_;
};

/// A command and the sub-commands under it.
std::vector<CLI::App*> levels(CLI::App* app) {
  std::vector<CLI::App*> all = {app};
  for (CLI::App* below : app->get_subcommands([](CLI::App*) { return true; })) {
    for (CLI::App* one : levels(below)) all.push_back(one);
  }
  return all;
}

TEST_P(CommandTableRow, ExplainsItselfAndEveryOption) {
  ASSERT_NE(command_, nullptr);
  EXPECT_FALSE(std::string(GetParam()->summary).empty());
  EXPECT_CONTAINS(app_.help(), GetParam()->summary);
  EXPECT_CONTAINS(sub_->help(), GetParam()->name);
  for (const CLI::App* level : levels(sub_)) {
    EXPECT_FALSE(level->get_description().empty()) << level->get_name();
    for (const CLI::Option* option : level->get_options()) {
      EXPECT_FALSE(option->get_description().empty()) << option->get_name();
      EXPECT_CONTAINS(level->help(), option->get_description());
    }
  }
}

/// White space of any kind as one blank.
std::string flat(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n';
    if (!space || (!out.empty() && out.back() != ' ')) out += space ? ' ' : c;
  }
  return out;
}

/// The words of an example up to its redirection, quotes removed.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '<' && !quoted) break;
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  while (!words.empty() && words.back().empty()) words.pop_back();
  return words;
}

/// The program as people meet it.
struct Program {
  explicit Program(const CommandRow& row) : app("test", "hellora"), command(row.make()) {
    declare_program(app);
    sub = add_command(app, row, *command, common);
  }
  CLI::App app;
  std::unique_ptr<Command> command;
  Common common;
  CLI::App* sub = nullptr;
};

TEST_P(CommandTableRow, HasTwoExamplesThatParse) {
  for (const char* example : GetParam()->examples) {
    ASSERT_NE(example, nullptr);
    std::vector<std::string> words = words_of(example);
    ASSERT_GE(words.size(), 2U);
    EXPECT_EQ(words[0] + " " + words[1], std::string("hellora ") + GetParam()->name);
    Program program(*GetParam());
    std::reverse(words.begin(), words.end());
    words.pop_back();
    EXPECT_NO_THROW(program.app.parse(words)) << example;
    Program unparsed(*GetParam());  // help of the command, not of a subcommand that the example has chosen
    EXPECT_CONTAINS(unparsed.sub->help(), example);
  }
  EXPECT_STRNE(GetParam()->examples[0], GetParam()->examples[1]);
}

TEST_P(CommandTableRow, HelpIsNarrowShowsDefaultsAndPutsCommonOptionsLast) {
  Program program(*GetParam());
  for (CLI::App* level : levels(program.sub)) {
    const std::string help = level->help(), once = flat(help);
    for (const CLI::Option* option : level->get_options()) {
      EXPECT_CONTAINS(once, flat(option->get_description()));
      const std::string value = option->get_default_str();
      if (!option->nonpositional() || value.empty() || value == "[]" || option->get_items_expected_max() == 0) continue;
      const bool shown = once.find("default " + value) != std::string::npos;
      EXPECT_TRUE(shown || value == "0" || value.starts_with('{')) << option->get_name() << " " << value;
    }
    size_t begin = 0;
    for (size_t end = help.find('\n'); end != std::string::npos; begin = end + 1, end = help.find('\n', begin)) {
      const bool example = help.compare(begin, 10, "  hellora ") == 0;
      EXPECT_TRUE(example || end - begin <= 104) << help.substr(begin, end - begin);
    }
    EXPECT_EQ(help.find("9223372036854775807"), std::string::npos);
    EXPECT_EQ(help.find(":INT"), std::string::npos);
  }
  const std::string help = program.sub->help();
  const size_t common = help.find("Common options:");
  ASSERT_NE(common, std::string::npos);
  EXPECT_GT(help.find("--log-level"), common);
  EXPECT_EQ(help.find("--", common) < help.find("Examples:"), true);
}

/// On every level, with nothing else given.
TEST_P(CommandTableRow, RefusesUnknownOptions) {
  for (CLI::App* level : levels(sub_)) {
    for (CLI::App* one : levels(sub_)) one->require_subcommand(0);
    for (CLI::Option* option : level->get_options([](CLI::Option*) { return true; })) option->required(false);
    std::vector<std::string> arguments = {"--no-such-option", level->get_name()};  // CLI11 reads from the back
    if (level != sub_) arguments.push_back(sub_->get_name());
    try {
      app_.parse(arguments);
      FAIL() << level->get_name() << " accepts it";
    } catch (const CLI::ParseError& error) {
      EXPECT_CONTAINS(std::string(error.what()), "--no-such-option");
      EXPECT_NE(error.get_exit_code(), 0);
    }
  }
}

TEST_P(CommandTableRow, IsInTheManual) {
  const std::string manual = slurp("docs/commands.md"), name = GetParam()->name;
  EXPECT_NE(manual.find("`" + name), std::string::npos) << "docs/commands.md does not name it";
}

INSTANTIATE_TEST_SUITE_P(Table, CommandTableRow, ::testing::ValuesIn(table_rows(command_table())), row_name<CommandRow>);

TEST(CommandTable, HelpAndMistakesAreUnderstood) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(understood({"help"}), Words{"--help"});
  EXPECT_EQ(understood({"help", "train"}), (Words{"train", "--help"}));
  EXPECT_EQ(understood({"train", "x.yaml"}), (Words{"train", "x.yaml"}));
  EXPECT_EQ(understood({"--version"}), Words{"--version"});
  EXPECT_CONTAINS(error_of<ConfigError>([] { understood({"help", "trian"}); }), "the nearest known one is train");
  EXPECT_CONTAINS(error_of<ConfigError>([] { understood({"hlep"}); }), "the nearest known one is help");
}

TEST(CommandTable, SettingsWrittenAsOptionsNameTheirKey) {
  const auto message = [](const std::string& option) {
    for (const CommandRow& row : command_table()) {
      if (std::string(row.name) != "train") continue;
      Program program(row);
      try {
        program.app.parse("hellora train " + option, true);
      } catch (const CLI::ParseError& error) {
        return parse_message(error, program.app);
      }
    }
    return std::string();
  };
  EXPECT_CONTAINS(message("--learning_rate=1e-3"), "settings are written without dashes: train.lr=1e-3");
  EXPECT_CONTAINS(message("--lora-rank=8"), "adapter.rank=8");
  EXPECT_CONTAINS(message("--report_to=none"), "it is no setting here");
  EXPECT_CONTAINS(message("--overwritten"), "the nearest known one is --overwrite");
}

TEST(CommandTable, NumbersOfOptionsAreFinite) {
  for (const CommandRow& row : command_table()) {
    if (std::string(row.name) != "generate") continue;
    for (const char* bad : {"nan", "inf", "-nan", "NAN"}) {
      Program program(row);
      EXPECT_THROW(program.app.parse(std::string("hellora generate --model models --prompt x --temperature ") + bad, true), CLI::ParseError)
          << bad;
    }
  }
}

TEST(CommandTable, HasDistinctNames) {
  std::set<std::string> names;
  for (const CommandRow& row : command_table()) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}

}  // namespace
}  // namespace hellora::testing
