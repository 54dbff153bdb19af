// Decoders and streaming; rows of the reference are in tests/golden/text/decoders.jsonl.
#include "hellora/text/decoder.h"

#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;

TEST(StreamDecoder, HoldsBackHalfCharacters) {
  const Tokenizer tokenizer = load_small(small_tokenizer());
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.push(0xE4), "");  // 世 is E4 B8 96
  EXPECT_EQ(stream.push(0xB8), "");
  EXPECT_EQ(stream.push(0x96), "世");
  EXPECT_EQ(stream.push('a'), "a");
  EXPECT_EQ(stream.push(0xE4), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");  // never completed
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace hellora::testing
