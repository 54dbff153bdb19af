// Every kernel row that this processor has, against the reference row: tiles, packing, transposition, element-wise parts.
#include "hellora/kernels/row.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "hellora/core/error.h"
#include "hellora/kernels/bf16.h"
#include "tests/unit/kernels/random.h"

namespace hellora::kernels {
namespace {

using testing::Aligned;
using testing::random_floats;
using testing::random_int;

const Primitives<float>& reference() { return *kernel_rows().back().f32; }

class Rows : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    if (!row().why_not().empty()) GTEST_SKIP() << row().why_not();
  }
  const KernelRow& row() const { return kernel_rows()[GetParam()]; }
  const Primitives<float>& own() const { return *row().f32; }
};

/// A panel of k columns in a store, from random numbers.
Aligned<std::byte> random_panel(WeightType store, int64_t k, uint64_t seed) {
  const auto values = random_floats(k * kPanel, seed);
  Packed packed{nullptr, store, kPanel, k};
  Aligned<std::byte> out(static_cast<size_t>(packed.bytes()));
  pack_matrix({values.data(), WeightType::f32, k, 1}, 1.0, packed, out.data());
  return out;
}

/// Largest difference as a share of the sum of absolute products.
void expect_tile_close(const std::vector<float>& got, const std::vector<float>& want, double scale, const char* what) {
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-5 * scale) << what << " element " << i;
}

TEST_P(Rows, TilesOfAnySizeEqualTheReference) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const Math math = seed % 3 == 0 ? Math::bf16 : Math::full;
    const int rows = static_cast<int>(random_int(1, own().tile_rows(math).rows, seed, 0)),
              count = static_cast<int>(random_int(1, 3, seed, 1));
    std::vector<Segment> segments;
    std::vector<Aligned<std::byte>> keep;
    for (int s = 0; s < count; ++s) {
      const int64_t k = 32 * random_int(1, 4, seed, static_cast<uint64_t>(10 + s));
      const WeightType store =
          math == Math::bf16 || random_int(0, 1, seed, static_cast<uint64_t>(20 + s)) == 0 ? WeightType::bf16 : WeightType::f32;
      keep.push_back(random_panel(store, k, seed * 100 + static_cast<uint64_t>(s)));
      const void* panel = keep.back().data();
      const auto x = random_floats(k * rows, seed * 100 + 50 + static_cast<uint64_t>(s));
      std::vector<const float*> source;
      for (int r = 0; r < rows; ++r) source.push_back(x.data() + r * k);
      keep.emplace_back(static_cast<size_t>(k * rows * 4));
      reference().pack(math, rows, source.data(), k, k, keep.back().data());
      segments.push_back({keep.back().data(), rows, panel, store, k});
    }
    const bool add = seed % 2 == 1;
    std::vector<float> got = random_floats(rows * 40, seed + 7), want = got;
    own().tile(math, rows, segments.data(), count, got.data(), 40, add);
    reference().tile(math, rows, segments.data(), count, want.data(), 40, add);
    expect_tile_close(got, want, 40, "tile");
  }
}

TEST_P(Rows, PackingIsTheSameBytes) {
  std::vector<float> x = random_floats(int64_t{kMaxTileRows} * 100, 5);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  x[200] = std::numeric_limits<float>::infinity();
  x[301] = 1e-40F;                             // denormal
  x[402] = std::bit_cast<float>(0x3F808000U);  // exactly between two bf16: goes to the even one
  x[503] = std::bit_cast<float>(0x3F818000U);
  x[604] = std::numeric_limits<float>::max();
  for (const Math math : {Math::full, Math::bf16}) {
    for (int rows = 1; rows <= own().tile_rows(math).rows; ++rows) {
      for (const int64_t k : {1, 31, 32, 33, 100}) {
        std::vector<const float*> source;
        for (int r = 0; r < rows; ++r) source.push_back(x.data() + r * 100);
        const int64_t padded = round_up(k, kPanel);
        std::vector<uint32_t> got(static_cast<size_t>(padded * rows), 1), want = got;
        own().pack(math, rows, source.data(), k, padded, got.data());
        reference().pack(math, rows, source.data(), k, padded, want.data());
        ASSERT_EQ(got, want) << "rows " << rows << " k " << k;
      }
    }
  }
}

TEST_P(Rows, PanelsAreTheSameBytesWithZerosWhereNothingIs) {
  std::vector<float> x = random_floats(int64_t{32} * 100, 6);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  x[200] = std::bit_cast<float>(0x3F808000U);  // exactly between two bf16
  for (const Math math : {Math::full, Math::bf16}) {
    for (const int rows : {1, 15, 16, 17, 32}) {
      for (const int64_t k : {1, 31, 32, 33, 100}) {
        std::vector<const float*> source;
        for (int r = 0; r < rows; ++r) source.push_back(x.data() + r * 100);
        const int64_t padded = round_up(k, kPanel);
        const auto bytes = static_cast<size_t>(padded * kPanel * (math == Math::bf16 ? 2 : 4));
        Aligned<std::byte> got(bytes), want(bytes);
        std::memset(got.data(), 1, bytes);
        own().panel(math, rows, source.data(), k, padded, got.data());
        reference().panel(math, rows, source.data(), k, padded, want.data());
        ASSERT_EQ(std::memcmp(got.data(), want.data(), bytes), 0) << "rows " << rows << " k " << k;
      }
    }
  }
}

TEST_P(Rows, TranspositionIsTheSameBytes) {
  for (const WeightType store : {WeightType::bf16, WeightType::f32}) {
    const auto values = random_floats(int64_t{70} * 100, 8);
    Packed packed{nullptr, store, 70, 100};
    Aligned<std::byte> data(static_cast<size_t>(packed.bytes()));
    pack_matrix({values.data(), WeightType::f32, 100, 1}, 1.0, packed, data.data());
    packed.data = data.data();
    for (const int64_t column : {0, 32, 96}) {
      const auto bytes = static_cast<size_t>(3 * kPanel * kPanel * store_bytes(store));
      Aligned<std::byte> got(bytes), want(bytes);
      own().transpose(packed, column, 0, 3, got.data());
      reference().transpose(packed, column, 0, 3, want.data());
      EXPECT_EQ(std::memcmp(got.data(), want.data(), bytes), 0) << "column " << column;
    }
  }
}

void expect_close(const std::vector<float>& got, const std::vector<float>& want, float bound) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i])) {
      EXPECT_TRUE(std::isnan(got[i])) << i;
    } else if (std::isinf(want[i])) {
      EXPECT_EQ(got[i], want[i]) << i;
    } else {
      EXPECT_NEAR(got[i], want[i], bound * std::max(1.0F, std::abs(want[i]))) << i;
    }
  }
}

TEST_P(Rows, SwigluEqualsTheReferenceWithItsBackward) {
  for (const int64_t n : {1, 7, 16, 33, 128}) {
    std::vector<float> gate = random_floats(n, 1), up = random_floats(n, 2), dh = random_floats(n, 3);
    for (float& g : gate) g *= 20;
    gate[0] = n == 7    ? std::numeric_limits<float>::infinity()
              : n == 16 ? std::numeric_limits<float>::quiet_NaN()
              : n == 33 ? -200.0F
                        : 0.0F;
    const auto size = static_cast<size_t>(n);
    std::vector<float> got(size), want(size), g1(size), u1(size), g2(size), u2(size);
    own().swiglu(gate.data(), up.data(), n, got.data());
    reference().swiglu(gate.data(), up.data(), n, want.data());
    expect_close(got, want, 2e-6F);
    const float dot1 = own().swiglu_backward(gate.data(), up.data(), dh.data(), 0.7F, n, g1.data(), u1.data(), got.data());
    const float dot2 = reference().swiglu_backward(gate.data(), up.data(), dh.data(), 0.7F, n, g2.data(), u2.data(), want.data());
    expect_close(got, want, 2e-6F);
    expect_close(g1, g2, 1e-5F);
    expect_close(u1, u2, 1e-5F);
    expect_close({dot1}, {dot2}, 1e-4F);
  }
}

TEST_P(Rows, NormAndItsBackwardEqualTheReference) {
  for (const int64_t n : {1, 9, 64, 100}) {
    const auto x = random_floats(n, 1), w = random_floats(n, 2), dy = random_floats(n, 3);
    const auto size = static_cast<size_t>(n);
    std::vector<float> got(size), want(size), w1(size, 1.0F), w2(size, 1.0F);
    own().rms_norm(x.data(), w.data(), 1e-5, n, got.data());
    reference().rms_norm(x.data(), w.data(), 1e-5, n, want.data());
    expect_close(got, want, 2e-6F);
    own().rms_norm_backward(x.data(), w.data(), dy.data(), 1e-5, n, got.data(), w1.data());
    reference().rms_norm_backward(x.data(), w.data(), dy.data(), 1e-5, n, want.data(), w2.data());
    expect_close(got, want, 2e-5F);
    expect_close(w1, w2, 2e-6F);
    own().axpy(0.3F, x.data(), n, got.data());
    reference().axpy(0.3F, x.data(), n, want.data());
    expect_close(got, want, 2e-5F);
  }
}

TEST_P(Rows, SoftmaxLossEqualsTheReference) {
  for (const int64_t n : {1, 5, 100, 3000}) {
    std::vector<float> got = random_floats(n, 4), want;
    for (float& v : got) v *= 30;
    got[static_cast<size_t>((n - 1) - (n - 1) % 7)] = 200;  // the largest in any lane, or behind the last whole vector
    want = got;
    const double loss = own().softmax_loss(got.data(), n, n / 2, 0.25F), plain = reference().softmax_loss(want.data(), n, n / 2, 0.25F);
    EXPECT_NEAR(loss, plain, 1e-5 * std::max(1.0, plain));
    expect_close(got, want, 1e-6F);
  }
}

TEST_P(Rows, RunningSoftmaxEqualsTheReferenceWithItsBackward) {
  float top = -std::numeric_limits<float>::infinity(), sum = 0, want_top = top, want_sum = 0;
  for (const int64_t n : {5, 1, 100, 33}) {  // later steps raise the largest score, or do not
    auto s = random_floats(n, static_cast<uint64_t>(n)), want = s;
    s[static_cast<size_t>(n - 1)] = want[static_cast<size_t>(n - 1)] = n == 100 ? 9.0F : 2.0F;
    const float factor = own().softmax_step(s.data(), n, 3.0F, &top, &sum);
    const float want_factor = reference().softmax_step(want.data(), n, 3.0F, &want_top, &want_sum);
    expect_close(s, want, 2e-6F);
    expect_close({factor, top, sum}, {want_factor, want_top, want_sum}, 2e-6F);
    const auto lse = random_floats(n, 7), delta = random_floats(n, 8);
    auto dp = random_floats(n, 9), want_dp = dp;
    own().softmax_backward(s.data(), dp.data(), lse.data(), delta.data(), n, 0.3F);
    reference().softmax_backward(want.data(), want_dp.data(), lse.data(), delta.data(), n, 0.3F);
    expect_close(s, want, 4e-6F);
    expect_close(dp, want_dp, 4e-6F);
  }
}

TEST_P(Rows, DropoutMasksAreTheSameBytesFromAnyColumnOn) {
  const RngKey key = make_key(11, 12);
  std::vector<float> whole(300), want(300);
  own().dropout_mask(key, 0.3, 4'000'000'000U, 7, 0, 300, whole.data());
  reference().dropout_mask(key, 0.3, 4'000'000'000U, 7, 0, 300, want.data());
  EXPECT_EQ(whole, want);
  for (const int64_t first : {0, 4, 128}) {
    for (const int64_t n : {1, 3, 32, 63, 129}) {
      std::vector<float> got(static_cast<size_t>(n) + 1, -1.0F);
      own().dropout_mask(key, 0.3, 4'000'000'000U, 7, first, n, got.data());
      EXPECT_EQ(got.back(), -1.0F) << "wrote behind the end";
      got.pop_back();
      EXPECT_EQ(got, std::vector<float>(want.begin() + first, want.begin() + first + n)) << first << " " << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Rows, ::testing::Range(size_t{0}, kernel_rows().size()),
                         [](const auto& one) { return std::string(kernel_rows()[one.param].name); });

TEST(KernelTable, ReferenceIsLastAndAlwaysApplies) {
  EXPECT_EQ(kernel_rows().back().name, "reference");
  EXPECT_EQ(kernel_rows().back().why_not(), "");
  EXPECT_EQ(active_row().why_not(), "");
}

TEST(KernelTable, ForcingAnUnknownRowNamesTheKnownOnes) {
  try {
    force_row("sse9");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("reference"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("sse9"), std::string::npos);
  }
  for (const KernelRow& row : kernel_rows()) {
    if (row.why_not().empty()) continue;
    EXPECT_THROW(force_row(std::string(row.name)), ConfigError);
  }
}

TEST(Bf16, RoundsToNearestEvenAndKeepsSpecialValues) {
  EXPECT_EQ(round_bf16(1.0F), 0x3F80);
  EXPECT_EQ(round_bf16(std::bit_cast<float>(0x3F808000U)), 0x3F80);  // tie: even
  EXPECT_EQ(round_bf16(std::bit_cast<float>(0x3F818000U)), 0x3F82);
  EXPECT_EQ(round_bf16(std::bit_cast<float>(0x3F808001U)), 0x3F81);
  EXPECT_TRUE(std::isnan(widen_bf16(round_bf16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isnan(widen_bf16(round_bf16(std::bit_cast<float>(0x7F800001U)))));
  EXPECT_TRUE(std::isinf(widen_bf16(round_bf16(std::numeric_limits<float>::infinity()))));
}

TEST(PackedMatrix, UnpacksToWhatWentIn) {
  const auto values = random_floats(int64_t{45} * 37, 9);
  for (const WeightType store : {WeightType::bf16, WeightType::f32, WeightType::f64}) {
    Packed packed{nullptr, store, 45, 37};
    Aligned<std::byte> data(static_cast<size_t>(packed.bytes()));
    for (const bool transposed : {false, true}) {
      pack_matrix({values.data(), WeightType::f32, transposed ? 1 : 37, transposed ? 45 : 1}, 2.0, packed, data.data());
      packed.data = data.data();
      std::vector<double> out(values.size());
      unpack_matrix(packed, out.data());
      for (int64_t i = 0; i < 45; ++i) {
        for (int64_t j = 0; j < 37; ++j) {
          const float want = 2 * values[static_cast<size_t>(transposed ? j * 45 + i : i * 37 + j)];
          EXPECT_EQ(out[static_cast<size_t>(i * 37 + j)], store == WeightType::bf16 ? widen_bf16(round_bf16(want)) : want);
        }
      }
    }
  }
}

}  // namespace
}  // namespace hellora::kernels
