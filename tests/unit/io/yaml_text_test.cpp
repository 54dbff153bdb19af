// A text written as a YAML value is read as the same text.
#include "hellora/io/yaml_text.h"

#include "hellora/io/yaml.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

// clang-format off
const std::vector<std::string> kTexts = {
    "", " ", "? x", "?", "- x", "-", "#x", "x #y", "a: b", "a:b", "a\nb", "\n", " lead", "trail ", "\ttab", "tab\t", "\"q\"",
    "it's", "\\n", "back\\", "~", "null", "Null", "true", "[a, b]", "{a: 1}", "*a", "&a", "!t", "%d", "@x", "`x`", "|", ">", "---",
    "...", "a,b", "a, b", "<<", "=", "\x01\x1b", "\x7f", "läuft", "木の葉", "\r", "a\rb", "x: ", "key:", "0x10", "1_000", "on",
    "- - -", "\xc2\x85n", "\xe2\x80\xa8", "\xef\xbb\xbfx",
};
// clang-format on

TEST(YamlText, ReadsBackAsAValueAndInAList) {
  EXPECT_EQ(yaml_text("runs/quickstart"), "runs/quickstart");
  EXPECT_EQ(yaml_text("4e-4"), "4e-4");
  EXPECT_EQ(yaml_text("a\nb"), "\"a\\x0Ab\"");
  const TempFolder folder;
  for (const std::string& text : kTexts) {
    const auto entries = read_yaml(put_file(folder / "v.yaml", "one: " + yaml_text(text) + "\nlist: [" + yaml_text(text) + ", last]\n"));
    ASSERT_EQ(entries.size(), 2U) << text;
    EXPECT_EQ(entries[0].values, std::vector<std::string>{text}) << yaml_text(text);
    EXPECT_EQ(entries[1].values, (std::vector<std::string>{text, "last"})) << yaml_text(text);
  }
}

}  // namespace
}  // namespace hellora::testing
