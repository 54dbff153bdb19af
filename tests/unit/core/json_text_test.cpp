#include "hellora/core/json_text.h"

#include <gtest/gtest.h>

namespace hellora {
namespace {

TEST(DumpJson, WritesAsJsonDoesAndNeverThrowsForBytes) {
  EXPECT_EQ(dump_json({{"a", 1}, {"b", {1, 2}}}), R"({"a":1,"b":[1,2]})");
  EXPECT_EQ(dump_json({{"rows", Json::array({1})}}), R"({"rows":[1]})");
  EXPECT_EQ(dump_json({{"a", 1}}, 2), "{\n  \"a\": 1\n}");
  EXPECT_EQ(dump_json(Json("mod\xE8le")), "\"mod\xEF\xBF\xBDle\"");
  EXPECT_EQ(dump_json(Json::object({{"\xFF", nullptr}})), "{\"\xEF\xBF\xBD\":null}");
}

}  // namespace
}  // namespace hellora
