// What is printed as a command reads back as the same word.
#include "hellora/recipe/shell_quote.h"

#include <cstdio>

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

/// What bash makes of the quoted word.
std::string read_back(const std::string& quoted) {
  const TempFolder folder;
  put_file(folder / "word.sh", "printf %s " + quoted);
  const std::string command = "bash " + (folder / "word.sh").string() + " > " + (folder / "out").string();
  EXPECT_EQ(std::system(command.c_str()), 0) << quoted;
  return slurp(folder / "out");
}

TEST(ShellQuote, ReadsBack) {
  EXPECT_EQ(shell_quote("runs/my-run_1.5"), "runs/my-run_1.5");
  EXPECT_EQ(shell_quote("a b"), "'a b'");
  EXPECT_EQ(shell_quote("läuft"), "'läuft'");
  EXPECT_EQ(shell_path("-x"), "./-x");
  for (const std::string& word :
       {std::string(), std::string("it's"), std::string("$HOME `id` \"x\" \\ !"), std::string("a\nb"), std::string("\x1b[2J"),
        std::string("mod\xe8le's"), std::string("~"), std::string("# ? *"), std::string("\t1")}) {
    const std::string quoted = shell_quote(word);
    EXPECT_EQ(quoted.find('\n'), std::string::npos);
    EXPECT_EQ(read_back(quoted), word) << quoted;
  }
}

}  // namespace
}  // namespace hellora::testing
