// Attention on the tile kernels against plain loops in fp64, for every row and arithmetic, on memory that holds NaN before.
#include "hellora/kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "hellora/kernels/buffer.h"
#include "tests/unit/kernels/random.h"

namespace hellora::kernels {
namespace {

using testing::random_floats;

struct Case {
  AttentionShape shape;
  std::vector<RowRange> documents;
};

/// A row's weights of one head, and its output.
std::vector<double> plain_out(const Case& c, const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v) {
  const AttentionShape& s = c.shape;
  std::vector<double> out(static_cast<size_t>(s.rows * s.heads * s.value_width));
  for (const RowRange& d : c.documents) {
    for (int64_t row = 0; row < d.length * s.heads; ++row) {
      const int64_t i = row / s.heads, h = row % s.heads, g = h / (s.heads / s.key_heads);
      std::vector<double> weight;
      double sum = 0;
      const int64_t lowest = s.window > 0 ? std::max<int64_t>(0, i - s.window + 1) : 0;
      for (int64_t j = lowest; j <= i; ++j) {
        double score = 0;
        for (int64_t e = 0; e < s.width; ++e) {
          score += static_cast<double>(q[static_cast<size_t>(((d.start + i) * s.heads + h) * s.width + e)]) *
                   static_cast<double>(k[static_cast<size_t>(((d.start + j) * s.key_heads + g) * s.width + e)]);
        }
        weight.push_back(std::exp(score * s.scale));
        sum += weight.back();
      }
      for (int64_t j = lowest; j <= i; ++j) {
        for (int64_t e = 0; e < s.value_width; ++e) {
          out[static_cast<size_t>(((d.start + i) * s.heads + h) * s.value_width + e)] +=
              weight[static_cast<size_t>(j - lowest)] / sum *
              static_cast<double>(v[static_cast<size_t>(((d.start + j) * s.key_heads + g) * s.value_width + e)]);
        }
      }
    }
  }
  return out;
}

class Attention : public ::testing::TestWithParam<size_t> {};

TEST_P(Attention, ForwardEqualsPlainLoops) {
  const KernelRow& row = kernel_rows()[GetParam()];
  if (!row.why_not().empty()) GTEST_SKIP() << row.why_not();
  const std::string before(active_row().name);
  force_row(std::string(row.name));
  poison_memory(true);
  for (const Case& c : {Case{{340, 4, 2, 40, 24, 0.3, 0}, {{0, 1}, {1, 39}, {40, 300}}}, Case{{70, 2, 2, 8, 40, 0.5, 9}, {{0, 70}}}}) {
    const AttentionShape& s = c.shape;
    const auto q = random_floats(s.rows * s.heads * s.width, 1), k = random_floats(s.rows * s.key_heads * s.width, 2),
               v = random_floats(s.rows * s.key_heads * s.value_width, 3);
    const std::vector<double> want = plain_out(c, q, k, v);
    for (const Math math : {Math::full, Math::bf16}) {
      if (math == Math::bf16 && !row.bf16_products) continue;
      std::vector<float> out(want.size(), NAN), lse(static_cast<size_t>(s.rows * s.heads), NAN);
      attention_forward<float>(math, s, c.documents,
                               {{q.data(), s.heads * s.width, s.width},
                                {k.data(), s.key_heads * s.width, s.width},
                                {v.data(), s.key_heads * s.value_width, s.value_width}},
                               {out.data(), s.heads * s.value_width, s.value_width}, lse.data());
      for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(out[i], want[i], math == Math::bf16 ? 1e-2 : 1e-5) << i;
    }
  }
  poison_memory(false);
  force_row(before);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Attention, ::testing::Range(size_t{0}, kernel_rows().size()),
                         [](const auto& one) { return std::string(kernel_rows()[one.param].name); });

}  // namespace
}  // namespace hellora::kernels
