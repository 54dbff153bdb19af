// Templates as jinja2 renders them in transformers' environment: byte for byte, and an error where Jinja raises.
#include <gtest/gtest.h>

#include <fstream>

#include "hellora/core/error.h"
#include "hellora/text/chat_template.h"

namespace hellora::testing {
namespace {

const std::string kFolder = "tests/golden/fixtures/text/chat/";

std::string text_of(const std::string& name) {
  std::ifstream in(kFolder + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<Json> rows_of(const std::string& name) {
  std::ifstream in(kFolder + name, std::ios::binary);
  std::vector<Json> rows;
  for (std::string line; std::getline(in, line);) rows.push_back(parse_json(line, name));
  return rows;
}

/// The clock that the rows were made with: Friday 2024-07-26 13:05:09.
std::tm clock_of_rows() {
  std::tm now{};
  now.tm_year = 124, now.tm_mon = 6, now.tm_mday = 26, now.tm_hour = 13, now.tm_min = 5, now.tm_sec = 9, now.tm_wday = 5, now.tm_yday = 207;
  return now;
}

/// The outcome in the shape of a row: expected and spans, or an error.
template <class Render>
void check_row(const Json& row, Render&& render) {
  try {
    const Rendered out = render();
    ASSERT_TRUE(row.contains("expected")) << row.dump() << "\nrendered: " << out.text;
    EXPECT_EQ(out.text, row["expected"].get<std::string>()) << row.dump();
    Json spans = Json::array();
    for (const TextSpan& span : out.generated) spans.push_back({span.begin, span.end});
    EXPECT_EQ(spans.dump(), row.value("spans", Json::array()).dump()) << row.dump();
  } catch (const Error& error) {
    EXPECT_FALSE(row.contains("expected")) << row.dump() << "\n" << error.what();
    EXPECT_EQ(std::string(error.what()).rfind("t:", 0), 0U) << error.what();  // the place comes first
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

TEST(GoldenTemplates, SnippetsOfEveryFeature) {
  const Json variables = parse_json(text_of("variables.json"), "variables.json");
  const std::vector<Json> rows = rows_of("snippets.jsonl");
  ASSERT_GE(rows.size(), 880U);
  for (const Json& row : rows) {
    check_row(row, [&] { return Template::parse(row["template"].get<std::string>(), "t").render(variables, clock_of_rows()); });
  }
}

TEST(GoldenTemplates, ConversationsThroughWholeTemplates) {
  const Json inputs = parse_json(text_of("conversations.json"), "conversations.json");
  const std::vector<Json> rows = rows_of("conversations.jsonl");
  ASSERT_GE(rows.size(), 540U);
  for (const Json& row : rows) {
    const std::string source = text_of("templates/" + row["template"].get<std::string>());
    check_row(row, [&] {
      const ChatTemplate chat = ChatTemplate::from_text(source, "t", {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
      ChatOptions options;
      options.add_generation_prompt = row["prompt"].get<bool>();
      options.now = clock_of_rows();
      const Json tools = row["tools"].get<bool>() ? inputs["tools"] : Json();
      return chat.render(inputs["conversations"][row["conversation"].get<std::string>()], tools, options);
    });
  }
}

}  // namespace
}  // namespace hellora::testing
