// The hash of parts is the hash of the whole, however it is cut.
#include "hellora/core/hash_stream.h"

#include <gtest/gtest.h>

#include <vector>

#include "hellora/core/hash.h"

namespace hellora::testing {
namespace {

TEST(HashStream, AnyCutGivesTheHashOfTheWhole) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < 300; ++i) bytes.push_back(static_cast<std::byte>(i * 37 + i / 7));
  for (const size_t size : {0U, 1U, 31U, 32U, 33U, 64U, 299U, 300U}) {
    const std::span<const std::byte> whole(bytes.data(), size);
    for (const size_t step : {1U, 5U, 31U, 32U, 33U, 100U}) {
      HashStream stream(9);
      for (size_t at = 0; at < size; at += step) stream.add(whole.subspan(at, std::min(step, size - at)));
      EXPECT_EQ(stream.value(), hash_bytes(whole, 9)) << size << " in steps of " << step;
    }
  }
}

/// Files hold these values: adapters name their base by them.
TEST(HashBytes, KeepsItsValues) {
  std::vector<std::byte> bytes(70, std::byte{3});
  EXPECT_EQ(hex64(hash_bytes(bytes, 1)), "f7fb1fd13916cfee");
  EXPECT_EQ(hex64(hash_string("hellora")), "10a016702fd49738");
}

}  // namespace
}  // namespace hellora::testing
