// Dequantisation bit for bit as the Python package gguf does it (tools/golden/gguf_blocks.py), on blocks of pseudo-random bytes.
#include "hellora/io/gguf_blocks.h"

#include <bit>
#include <cmath>
#include <set>

#include "hellora/core/json.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

constexpr size_t kBlocks = 40;

struct Layout {
  GgufType type;
  std::set<size_t> scales;  // highest bytes of numbers that must be finite
};

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> all = {
      {GgufType::f32, {3}},     {GgufType::f16, {1}},     {GgufType::bf16, {1}},   {GgufType::q4_0, {1}},      {GgufType::q4_1, {1, 3}},
      {GgufType::q5_0, {1}},    {GgufType::q5_1, {1, 3}}, {GgufType::q8_0, {1}},   {GgufType::q2_k, {81, 83}}, {GgufType::q3_k, {109}},
      {GgufType::q4_k, {1, 3}}, {GgufType::q5_k, {1, 3}}, {GgufType::q6_k, {209}},
  };
  return all;
}

std::vector<std::byte> random_blocks(const Layout& layout) {
  uint32_t state = 1;
  std::vector<std::byte> out;
  for (size_t i = 0; i < kBlocks; ++i) {
    for (size_t place = 0; place < block_of(layout.type).bytes; ++place) {
      state = state * 1664525U + 1013904223U;
      out.push_back(static_cast<std::byte>((state >> 24) & (layout.scales.contains(place) ? 0xBFU : 0xFFU)));
    }
  }
  return out;
}

std::string fnv(std::span<const float> values) {
  uint64_t hash = 0xCBF29CE484222325ULL;
  for (const float value : values) {
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int i = 0; i < 4; ++i) hash = (hash ^ ((bits >> (8 * i)) & 0xFFU)) * 0x100000001B3ULL;
  }
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

TEST(GgufBlocks, HaveTheValuesOfTheReference) {
  const Json golden = parse_json(read_text("tests/golden/fixtures/io/gguf_blocks.json"), "golden");
  ASSERT_EQ(golden.size(), layouts().size());
  for (const Layout& layout : layouts()) {
    const GgufBlock& block = block_of(layout.type);
    const Json& wanted = golden.at(std::string(block.name));
    std::vector<float> values(kBlocks * static_cast<size_t>(block.elements));
    ASSERT_EQ(wanted["count"], values.size()) << block.name;
    dequantise(layout.type, random_blocks(layout), values);
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(static_cast<double>(values[i]), wanted["first"][i].get<double>()) << block.name << " " << i;
    EXPECT_EQ(fnv(values), wanted["hash"].get<std::string>()) << block.name;
  }
}

TEST(GgufBlocks, WidenEveryHalf) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float wide = widen_half(static_cast<uint16_t>(bits));
    const int exponent = static_cast<int>((bits >> 10) & 31), fraction = static_cast<int>(bits & 0x3FF);
    EXPECT_EQ(std::signbit(wide), bits >= 0x8000);
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(wide), fraction != 0);
      EXPECT_EQ(std::isinf(wide), fraction == 0);
    } else {
      const double value = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      EXPECT_EQ(std::abs(static_cast<double>(wide)), value) << bits;
    }
  }
}

TEST(GgufBlocks, NameWhatIsNotRead) {
  const std::string message = error_of<FormatError>([] { find_block(23, "f: tensor x"); });
  EXPECT_EQ(message,
            "f: tensor x: type IQ4_XS is not read; expected one of F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, "
            "Q5_K, Q6_K");
  EXPECT_CONTAINS(error_of<FormatError>([] { find_block(4711, "f"); }), "type 4711 is not read");
}

}  // namespace
}  // namespace hellora::testing
