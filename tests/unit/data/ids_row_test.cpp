// Rows of token ids: padding, masks and positions.
#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

using std::string;

TokenRow row(const char* text, bool all = false) { return ids_row(parse_json(text, "t"), all, "f:1"); }
string refusal(const char* text) {
  return error_of<FormatError>([&] { row(text); });
}

TEST(IdsRow, PaddingIsCutOnEitherSide) {
  const TokenRow right = row(R"({"input_ids":[5,6,7,1,1],"attention_mask":[1,1,1,0,0]})");
  EXPECT_EQ(right.ids, (Ids{5, 6, 7}));
  EXPECT_EQ(right.labels, (Ids{5, 6, 7}));
  const TokenRow left =
      row(R"({"input_ids":[1,1,5,6,7],"attention_mask":[0,0,1,1,1],"labels":[-100,-100,-100,6,7],"position_ids":[1,1,0,1,2]})");
  EXPECT_EQ(left.ids, (Ids{5, 6, 7}));
  EXPECT_EQ(left.labels, (Ids{kIgnore, 6, 7}));
  EXPECT_EQ(row(R"({"input_ids":[1,1,5,6],"attention_mask":[0,0,1,1],"prompt_length":3})").labels, (Ids{kIgnore, 6}));
  EXPECT_TRUE(row(R"({"input_ids":[1,1],"attention_mask":[0,0]})").ids.empty());
  EXPECT_EQ(row(R"({"input_ids":[5,6],"attention_mask":[1,1],"token_type_ids":[0,0],"special_tokens_mask":[1,0]})").ids, (Ids{5, 6}));
}

TEST(IdsRow, MasksSayWhatIsLearned) {
  for (const char* key : {"loss_mask", "completion_mask", "assistant_masks", "assistant_mask"}) {
    const string text = string(R"({"input_ids":[5,6,7],")") + key + R"(":[0,1,0]})";
    EXPECT_EQ(row(text.c_str()).labels, (Ids{kIgnore, 6, kIgnore}));
    EXPECT_EQ(row(text.c_str(), true).labels, (Ids{5, 6, 7}));
    const string fraction = string(R"({"input_ids":[5,6,7],")") + key + R"(":[0,2,0]})";
    EXPECT_CONTAINS(refusal(fraction.c_str()), string("\"") + key + "\" holds 2; expected 0 or 1");
  }
}

TEST(IdsRow, WhatCannotBeMeantIsRefused) {
  EXPECT_CONTAINS(refusal(R"({"input_ids":[5,6,7],"attention_mask":[1,0,1]})"), "f:1: \"attention_mask\" is 0 at 1, between tokens");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[5,6,7],"attention_mask":[1,1]})"), "\"attention_mask\" has 2 entries, \"input_ids\" 3");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[5,6],"attention_mask":[1,2]})"), "holds 2; expected 0 or 1");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[5,6],"attention_mask":[1,-1]})"), "holds -1; expected 0 or 1");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[5,6],"position_ids":[0,0]})"), "\"position_ids\" is 0 at token 1; expected 0, 1, 2");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[5,6],"token_type_ids":[0,1]})"), "\"token_type_ids\" holds 1");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[5,6],"loss_mask":[1]})"), "\"loss_mask\" has 1 entries");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[[5,6]]})"), "\"input_ids\"");
}

TEST(IdsRow, ARowOfPaddingIsSkipped) {
  const Dataset data = load_lines("{\"input_ids\":[1,1],\"attention_mask\":[0,0]}\n{\"input_ids\":[5,6]}\n");
  EXPECT_EQ(data.examples.size(), 1U);
  EXPECT_EQ(data.skipped_empty, 1);
}

}  // namespace
}  // namespace hellora::testing
