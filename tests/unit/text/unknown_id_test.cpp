// Ids without a token, which a model with more rows than its tokenizer has tokens may write: they print nothing.
#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

TEST(UnknownIds, PrintNothingInGeneratedTextAndAreAnErrorElsewhere) {
  Json stripped = small_tokenizer();
  stripped["decoder"] = {{"type", "Sequence"}, {"decoders", Json::array({{{"type", "ByteLevel"}}, {{"type", "Fuse"}}})}};
  for (const Json& json : {small_tokenizer(), stripped}) {
    const Tokenizer tokenizer = load_small(json);
    for (const int64_t unknown : {int64_t{262}, int64_t{299}, int64_t{301}, int64_t{100000}, int64_t{-1}}) {
      const std::vector<int64_t> ids = {'a', unknown, 'b', unknown};
      EXPECT_EQ(tokenizer.decode(ids, true), "ab") << unknown;
      EXPECT_CONTAINS(error_of<DataError>([&] { tokenizer.decode(ids); }), "token id " + std::to_string(unknown));
      StreamDecoder stream(tokenizer);
      std::string text;
      for (const int64_t id : ids) text += stream.push(id);
      EXPECT_EQ(text + stream.finish(), "ab") << unknown;
    }
  }
}

}  // namespace
}  // namespace hellora::testing
