// Gradients of the MoE block against central differences: independent of every autograd formula.
#include "tests/support/tolerances.h"
#include "tests/unit/moe/cases.h"

namespace hellora {
namespace {

using namespace testing;

/// d(sum(out * c))/d(leaf), one element after the other.
Tensor differences(const Block& b, const Tensor& c_TD, const Tensor& leaf) {
  const at::NoGradGuard no_grad;
  constexpr double kStep = 1e-6;
  Tensor out = at::empty_like(leaf);
  double* values = leaf.detach().data_ptr<double>();
  for (int64_t i = 0; i < leaf.numel(); ++i) {
    const double before = values[i];
    const auto at_offset = [&](double offset) {
      values[i] = before + offset;
      return (b.out() * c_TD).sum().item<double>();
    };
    out.data_ptr<double>()[i] = (at_offset(kStep) - at_offset(-kStep)) / (2 * kStep);
    values[i] = before;
  }
  return out;
}

TEST(MoeBlockGradients, EqualCentralDifferences) {
  for (const bool renormalize : {false, true}) {
    BlockSizes sizes;
    sizes.tokens = 6;
    sizes.renormalize = renormalize;
    const Block b = make_block(sizes, 31);
    const Tensor c_TD = random_tensor({6, sizes.width}, 32);
    const std::vector<Tensor> leaves = b.leaves();
    const auto got = gradients(b.out(), c_TD, leaves);
    for (size_t g = 0; g < leaves.size(); ++g) {
      const Tensor mine = got[g].defined() ? got[g] : at::zeros_like(leaves[g]);
      EXPECT_TRUE(close_to(mine, differences(b, c_TD, leaves[g]), kFiniteDifference, largest_of(got)))
          << (g == 0 ? "x" : b.set->specs()[g - 1].name);
    }
  }
}

}  // namespace
}  // namespace hellora
