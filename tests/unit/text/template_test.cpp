// Templates beyond the golden rows: where errors point, what is refused by name, and the limits.
#include "hellora/text/template.h"

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

string rendered(const string& source, const Json& variables = Json::object()) {
  return Template::parse(source, "t").render(variables).text;
}
string refusal(const string& source) {
  return error_of<FormatError>([&] { Template::parse(source, "t"); });
}
string failure(const string& source, const Json& variables = Json::object()) {
  return error_of<DataError>([&] { rendered(source, variables); });
}

TEST(Template, ErrorsPointToTheirLine) {
  EXPECT_CONTAINS(refusal("a\nb\n{% if x %}\n{{ 1 + }}\n{% endif %}"), "t:4: expected an expression, found the end of the tag");
  EXPECT_CONTAINS(refusal("\n{# a\n comment #}\n{% nope %}"), "t:4: tag \"nope\" is not supported");
  EXPECT_CONTAINS(refusal("a\n{{ 'b"), "t:2: a string is not closed");
  EXPECT_CONTAINS(failure("a\n{% for x in [1, 2] %}\n{{ x.y.z }}\n{% endfor %}"), "t:3: y is undefined");
  EXPECT_CONTAINS(failure("{% macro m() %}\n\n{{ 1 / 0 }}{% endmacro %}\n\n{{ m() }}"), "t:3: division by zero");
  EXPECT_CONTAINS(failure("a\n\n{{ raise_exception('no tools here') }}"), "t:3: the template says: no tools here");
  EXPECT_CONTAINS(failure("{{ [1,\n2] | join(\n1, 2, 3) }}"), "t:2: join takes at most 2 arguments");
}

TEST(Template, UnknownNamesAreRefusedByName) {
  EXPECT_CONTAINS(failure("\n{{ 1 | uper }}"), "t:2: unknown filter \"uper\"; the nearest known one is \"upper\"");
  EXPECT_CONTAINS(failure("{{ 1 is defned }}"), "t:1: unknown test \"defned\"; the nearest known one is \"defined\"");
  EXPECT_CONTAINS(failure("{{ 'a'.zfill(3) }}"), "method \"zfill\" of str is not available");
  EXPECT_CONTAINS(failure("{{ [1].append(2) }}"), "method \"append\" of list is not available");
  EXPECT_CONTAINS(failure("{{ 'a'.nope() }}"), "nope is undefined");
  EXPECT_CONTAINS(failure("{{ ''.__class__ }}"), "attribute \"__class__\" is not available");
  EXPECT_CONTAINS(refusal("{% include 'x' %}"), "tag \"include\" is not supported");
  EXPECT_CONTAINS(failure("{{ 1 is sameas(1) }}"), "test \"sameas\" is not supported");
}

TEST(Template, EndlessTemplatesEnd) {
  EXPECT_CONTAINS(failure("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), "nests deeper than");
  const string loops = "{% set l = range(50000) | list %}{% for a in l %}{{ -1 in l }}{% endfor %}";
  EXPECT_CONTAINS(failure(loops), "takes more than 20000000 steps");
  EXPECT_CONTAINS(failure("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}"),
                  "bytes of values");
  EXPECT_CONTAINS(failure("{{ 'x' * 9000000000000000000 }}"), "bytes of values");
  EXPECT_CONTAINS(failure("{{ ('x' * 100000) | replace('', 'y' * 100000) }}"), "bytes of values");
  EXPECT_CONTAINS(failure("{{ 'a\nb' | indent(9000000000000000000) }}"), "bytes of values");
  EXPECT_CONTAINS(failure("{{ {'a': 1} | tojson(indent=9000000000000000000) }}"), "bytes of values");
  EXPECT_CONTAINS(failure("{% set x = 'y' * 30000000 %}{{ x }}{{ x }}{{ x }}"), "writes more than");
  EXPECT_CONTAINS(failure("{% set n = namespace(l=[]) %}{% for i in range(9999) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l }}"),
                  "nests deeper");
  EXPECT_CONTAINS(failure("{{ range(0, 9000000000000000000) }}"), "more than 100000 items");
}

TEST(Template, DeepTemplatesAreRefused) {
  EXPECT_CONTAINS(refusal("{{ " + string(5000, '(') + "1" + string(5000, ')') + " }}"), "nest deeper");
  EXPECT_CONTAINS(refusal("{{ " + string(5000, '-') + "1 }}"), "nest deeper");
  string chain = "{{ 1", blocks;
  for (int i = 0; i < 5000; ++i) chain += " + 1";
  for (int i = 0; i < 5000; ++i) blocks += "{% if x %}";
  EXPECT_CONTAINS(refusal(chain + " }}"), "nest deeper");
  EXPECT_CONTAINS(refusal(blocks), "nest deeper");
  EXPECT_EQ(rendered("{{ " + string(30, '(') + "1" + string(30, ')') + " }}"), "1");
}

TEST(Template, IntegersOfSixtyFourBits) {
  const string most = "9223372036854775807";
  EXPECT_EQ(rendered("{{ " + most + " }}"), most);
  for (const char* sum : {" + 1", " * 2", " ** 2", " - -1"}) EXPECT_CONTAINS(failure("{{ " + most + sum + " }}"), "64 signed bits");
  EXPECT_EQ(rendered("{{ (-" + most + " - 1) % -1 }}"), "0");
  EXPECT_CONTAINS(failure("{{ (-" + most + " - 1) // -1 }}"), "64 signed bits");
  EXPECT_CONTAINS(failure("{{ -(-" + most + " - 1) }}"), "64 signed bits");
  EXPECT_CONTAINS(failure("{{ x }}", {{"x", UINT64_MAX}}), "64 signed bits");
}

TEST(Template, RefusesWhatIsNotUtf8) {
  EXPECT_CONTAINS(refusal("a\xFF"), "t: the template is not valid UTF-8");
  EXPECT_CONTAINS(refusal("{{ '\\ud83d' }}"), "t:1: a string escape names no character");
}

TEST(Template, GenerationSpansAreBytes) {
  const Template marked = Template::parse("é{% generation %}ü{{ x }}{% endgeneration %}!", "t");
  EXPECT_TRUE(marked.marks_generation());
  const Rendered out = marked.render({{"x", "😀"}});
  EXPECT_EQ(out.text, "éü😀!");
  EXPECT_EQ(out.generated, (std::vector<TextSpan>{{2, 8}}));
  EXPECT_FALSE(Template::parse("{{ generation }}", "t").marks_generation());
  EXPECT_TRUE(
      Template::parse("{% for x in y %}{% if x %}{% generation %}{% endgeneration %}{% endif %}{% endfor %}", "t").marks_generation());
  EXPECT_CONTAINS(failure("{% macro m() %}{% generation %}a{% endgeneration %}{% endmacro %}{{ m() }}"), "inside a macro");
  EXPECT_CONTAINS(failure("{% generation %}{% generation %}a{% endgeneration %}{% endgeneration %}"), "another generation block");
}

TEST(Template, SafeStringsAreNotJoined) {
  EXPECT_EQ(rendered("{{ '<' | safe ~ '<' }}"), "<<");
  EXPECT_CONTAINS(failure("{{ ('<' | safe | upper) + '<' }}"), "went through safe");  // Jinja would escape the second
}

}  // namespace
}  // namespace hellora::testing
