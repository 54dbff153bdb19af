// Commands: every row of the table declares itself with help texts and refuses what it does not know.
#include "hellora/cli/command.h"

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

TEST(CommandTable, HasDistinctNames) {
  std::set<std::string> names;
  for (const CommandRow& row : command_table()) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}

}  // namespace
}  // namespace hellora::testing
