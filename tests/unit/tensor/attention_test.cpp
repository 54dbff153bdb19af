// Attention of packed documents against the general operator, document by document. T rows, A heads, G key heads, C width.
#include "hellora/tensor/attention.h"

#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"

namespace hellora {
namespace {

using namespace testing;

Tensor plain(const Tensor& q, const Tensor& k, const Tensor& v, const std::vector<RowRange>& documents, const AttentionRule& rule = {}) {
  std::vector<Tensor> parts;
  for (const RowRange& one : documents) {
    const auto heads = [&](const Tensor& x) { return x.narrow(0, one.start, one.length).transpose(0, 1); };
    const int64_t repeat = q.size(1) / k.size(1);
    const Tensor keys = heads(k).repeat_interleave(repeat, 0), values = heads(v).repeat_interleave(repeat, 0);
    const double scale = rule.scale > 0 ? rule.scale : 1 / std::sqrt(static_cast<double>(q.size(2)));
    Tensor scores = at::matmul(heads(q), keys.transpose(1, 2)) * scale;
    const Tensor position = at::arange(one.length), back = position.unsqueeze(1) - position.unsqueeze(0);
    Tensor hidden = back < 0;
    if (rule.window > 0) hidden = hidden.logical_or(back >= rule.window);
    scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
    parts.push_back(at::matmul(at::softmax(scores, -1), values).transpose(0, 1).reshape({one.length, -1}));
  }
  return at::cat(parts);
}

TEST(AttendDocuments, EqualsPlainAttentionWithGradients) {
  const std::vector<RowRange> documents = {{0, 5}, {5, 1}, {6, 14}};
  for (const int64_t groups : {4, 2, 1}) {
    const Tensor q = random_leaf({20, 4, 8}, 1), k = random_leaf({20, groups, 8}, 2), v = random_leaf({20, groups, 8}, 3);
    const Tensor got = attend_documents(q, k, v, documents, {}), want = plain(q, k, v, documents), c = random_tensor({20, 32}, 4);
    EXPECT_TRUE(close_to(got, want, kSameMath64));
    const auto got_grad = gradients(got, c, {q, k, v}), want_grad = gradients(want, c, {q, k, v});
    for (size_t g = 0; g < 3; ++g) EXPECT_TRUE(close_to(got_grad[g], want_grad[g], kSameMath64 * 10)) << g;
  }
}

/// Windows that are longer than a document, that cut it, and documents of several pieces; values narrower than keys; a scale.
TEST(AttendDocuments, WindowsScalesAndNarrowValues) {
  const std::vector<RowRange> documents = {{0, 3}, {3, 40}, {43, 1100}};
  for (const AttentionRule& rule : {AttentionRule{0.7, 0}, AttentionRule{0, 4}, AttentionRule{0.3, 2}, AttentionRule{0, 600}}) {
    SCOPED_TRACE(rule.window);
    const Tensor q = random_leaf({1143, 4, 6}, 1), k = random_leaf({1143, 2, 6}, 2), v = random_leaf({1143, 2, 5}, 3);
    const Tensor got = attend_documents(q, k, v, documents, {}, rule), want = plain(q, k, v, documents, rule);
    EXPECT_TRUE(close_to(got, want, kSameMath64 * 10));
    const Tensor c = random_tensor({1143, 20}, 4);
    const auto got_grad = gradients(got, c, {q, k, v}), want_grad = gradients(want, c, {q, k, v});
    for (size_t g = 0; g < 3; ++g) EXPECT_TRUE(close_to(got_grad[g], want_grad[g], kSameMath64 * 100)) << g;
  }
}

/// Every kernel row in fp32 and, where it has them, bf16 products; several blocks of rows and of keys, widths that are not
/// whole panels, the same bytes for any number of threads.
TEST(AttendDocuments, EveryKernelRowIsCloseToPlainAttention) {
  const std::vector<RowRange> documents = {{0, 1}, {1, 70}, {71, 530}};
  const std::string before(kernels::active_row().name);
  const Tensor q = random_leaf({601, 4, 40}, 1, at::kFloat), k = random_leaf({601, 2, 40}, 2, at::kFloat),
               v = random_leaf({601, 2, 24}, 3, at::kFloat), c = random_tensor({601, 96}, 4, at::kFloat);
  const Tensor want = plain(q, k, v, documents, {0, 300});
  const auto want_grad = gradients(want, c, {q, k, v});
  for (const kernels::KernelRow& row : kernels::kernel_rows()) {
    if (!row.why_not().empty()) continue;
    kernels::force_row(std::string(row.name));
    for (const kernels::Math math : {kernels::Math::full, kernels::Math::bf16}) {
      if (math == kernels::Math::bf16 && !row.bf16_products) continue;
      SCOPED_TRACE(std::string(row.name) + (math == kernels::Math::bf16 ? " bf16" : " fp32"));
      const double bound = math == kernels::Math::bf16 ? 2e-2 : 1e-5;
      const auto run = [&] {
        const Tensor out = attend_documents(q, k, v, documents, {math, at::kFloat}, {0, 300});
        auto all = gradients(out, c, {q, k, v});
        all.push_back(out);
        return all;
      };
      const auto got = run();
      EXPECT_TRUE(close_to(got[3], want, bound));
      for (size_t g = 0; g < 3; ++g) EXPECT_TRUE(close_to(got[g], want_grad[g], bound)) << g;
      const int threads = at::get_num_threads();
      at::set_num_threads(1);
      const auto alone = run();
      at::set_num_threads(threads);
      for (size_t g = 0; g < 4; ++g) EXPECT_TRUE(same_bytes(got[g], alone[g])) << g;
    }
  }
  kernels::force_row(before);
}

TEST(AttendDocuments, SavedInBf16IsClose) {
  const std::vector<RowRange> documents = {{0, 20}};
  const Tensor q = random_leaf({20, 4, 8}, 1, at::kFloat), k = random_leaf({20, 4, 8}, 2, at::kFloat),
               v = random_leaf({20, 4, 8}, 3, at::kFloat);
  const Tensor c = random_tensor({20, 32}, 4, at::kFloat);
  const Tensor exact = attend_documents(q, k, v, documents, {}),
               kept = attend_documents(q, k, v, documents, {kernels::Math::full, at::kBFloat16});
  EXPECT_TRUE(same_bytes(kept, exact));
  const auto want = gradients(exact, c, {q, k, v}), got = gradients(kept, c, {q, k, v});
  for (size_t g = 0; g < 3; ++g) {
    EXPECT_TRUE(close_to(got[g], want[g], 2e-2)) << g;
    EXPECT_FALSE(same_bytes(got[g], want[g])) << g;
  }
}

}  // namespace
}  // namespace hellora
