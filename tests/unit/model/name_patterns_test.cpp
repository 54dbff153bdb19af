// rank_pattern and alpha_pattern: PEFT's meaning, at the cost of a look-up for plain paths.
#include "hellora/model/name_patterns.h"

#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

NamePatterns patterns(const Json& json) { return {json, 100, false, "c.json: rank_pattern"}; }
double value(const NamePatterns& patterns, const std::string& path) { return patterns.find(path).value_or(1); }

TEST(NamePatterns, MatchWholeModulePathsFirstOneWins) {
  const NamePatterns some = patterns({{"layers.1.self_attn.q_proj", 2}, {"q_proj", 4}, {R"(.*experts\.\d+\.up_proj)", 6}, {"up_proj", 8}});
  EXPECT_EQ(value(some, "model.layers.1.self_attn.q_proj"), 2);
  EXPECT_EQ(value(some, "model.layers.0.self_attn.q_proj"), 4);
  EXPECT_EQ(value(some, "model.layers.0.mlp.experts.12.up_proj"), 6);
  EXPECT_EQ(value(some, "model.layers.0.mlp.up_proj"), 8);
  EXPECT_EQ(value(some, "model.layers.0.self_attn.xq_proj"), 1);
  EXPECT_EQ(value(some, "model.layers.0.self_attn.q_proj.more"), 1);
  EXPECT_EQ(value(patterns({{"up_proj", 8}, {".*up_proj", 6}}), "a.up_proj"), 8);
  EXPECT_EQ(value(NamePatterns(), "a.up_proj"), 1);
}

/// A dot of a plain pattern is any character, as in PEFT: an earlier pattern wins by it.
TEST(NamePatterns, ADotIsAnyCharacter) {
  const NamePatterns some = patterns({{"a.b_c", 2}, {"axb_c", 4}, {"x.y.z", 6}, {"x_y.z", 8}});
  EXPECT_EQ(value(some, "m.axb_c"), 2);
  EXPECT_EQ(value(some, "m.a.b_c"), 2);
  EXPECT_EQ(value(some, "m.x_y.z"), 6);
  EXPECT_EQ(value(some, "m.a.b.c"), 1);
}

TEST(NamePatterns, ThousandsOfPathsAreLookedUp) {
  Json json = Json::object();
  using Members = Json::object_t;
  auto& members = json.get_ref<Members&>();  // straight to the end: the tree looks every key up
  for (int64_t e = 0; e < 40000; ++e)
    members.Members::Container::emplace_back("model.layers.7.mlp.experts." + std::to_string(e) + ".up_proj", 1 + e % 64);
  const NamePatterns some(json, 100, true, "c.json");
  for (int64_t e = 0; e < 40000; ++e)
    EXPECT_EQ(value(some, "model.layers.7.mlp.experts." + std::to_string(e) + ".up_proj"), static_cast<double>(1 + e % 64));
}

TEST(NamePatterns, NonsenseIsNamed) {
  const auto refusal = [](const Json& json, bool whole = true) {
    return error_of<FormatError>([&] { NamePatterns(json, 100, whole, "c.json: rank_pattern"); });
  };
  EXPECT_CONTAINS(refusal(Json::array({1})), "c.json: rank_pattern: expected an object");
  EXPECT_CONTAINS(refusal("q_proj"), "expected an object");
  for (const Json& bad : {Json(-3), Json(0), Json(101), Json(1.5), Json("2"), Json(nullptr), Json(1e300), Json::array({2})})
    EXPECT_CONTAINS(refusal({{"q_proj", bad}}), "\"q_proj\" must be an integer from 1 to 100") << bad.dump();
  EXPECT_CONTAINS(refusal({{"q_proj", -3}}, false), "a number above 0");
  EXPECT_CONTAINS(refusal({{"([", 2}}), "([");
  Json many = Json::object();
  for (int i = 0; i < 65; ++i) many["a+" + std::string(static_cast<size_t>(i), 'b')] = 2;
  EXPECT_CONTAINS(refusal(many), "more than 64");
}

}  // namespace
}  // namespace hellora::testing
