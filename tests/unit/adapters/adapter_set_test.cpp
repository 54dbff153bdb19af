// The flat trainable state: alignment, decay border, views that share memory.
#include "hellora/adapters/adapter_set.h"

#include <set>

#include "tests/support/tensors.h"

namespace hellora {
namespace {

using namespace testing;

/// Sizes that are no multiple of sixteen, experts, and norms (which take no weight decay) between matrices.
std::vector<Site> mixed_sites() {
  return {{0, Slot::input_norm, 1, 7, {{-1, 0, 0, "norm"}}},
          {0, Slot::q, 7, 5, {{-1, 0, 0, "q"}}},
          {0, Slot::gate, 7, 3, {{2, 0, 0, "gate.2"}, {4, 0, 0, "gate.4"}}},
          {-1, Slot::final_norm, 1, 7, {{-1, 0, 0, "final"}}}};
}

AdapterSet make_full_set(at::ScalarType dtype = at::kFloat) {
  AdapterConfig config;
  config.method = "full";
  return AdapterSet(
      mixed_sites(), config, 1,
      [](const std::string& name) {
        const bool norm = name == "norm.weight" || name == "final.weight";
        return random_tensor({norm ? 7 : (name == "q.weight" ? 35 : 21)}, hash_text(name), at::kFloat);
      },
      dtype);
}

TEST(FlatState, ViewsAreAlignedAndDoNotOverlap) {
  const AdapterSet set = make_full_set();
  ASSERT_EQ(set.specs().size(), 5U);
  std::vector<std::pair<int64_t, int64_t>> ranges;
  int64_t elements = 0;
  for (size_t i = 0; i < set.specs().size(); ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(set.param(i).const_data_ptr()) % 64, 0U) << set.specs()[i].name;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(set.grad(i).const_data_ptr()) % 64, 0U) << set.specs()[i].name;
    ranges.emplace_back(set.param(i).storage_offset(), set.param(i).storage_offset() + set.param(i).numel());
    EXPECT_EQ(set.grad(i).storage_offset(), set.param(i).storage_offset());
    elements += set.param(i).numel();
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) EXPECT_LE(ranges[i - 1].second, ranges[i].first);
  EXPECT_LE(ranges.back().second, set.flat_param().numel());
  EXPECT_EQ(set.trainable(), elements);
}

TEST(FlatState, DecayEndsBeforeTheNorms) {
  const AdapterSet set = make_full_set();
  for (size_t i = 0; i < set.specs().size(); ++i) {
    const bool norm = set.specs()[i].name == "norm.weight" || set.specs()[i].name == "final.weight";
    EXPECT_EQ(set.specs()[i].decay, !norm);
    if (norm) {
      EXPECT_GE(set.param(i).storage_offset(), set.ranges()[0].end);
    }
    if (!norm) {
      EXPECT_LE(set.param(i).storage_offset() + set.param(i).numel(), set.ranges()[0].end);
    }
  }
}

TEST(FlatState, PaddingIsZero) {
  const AdapterSet set = make_full_set();
  Tensor rest = set.flat_param().clone();
  for (size_t i = 0; i < set.specs().size(); ++i) rest.narrow(0, set.param(i).storage_offset(), set.param(i).numel()).zero_();
  EXPECT_TRUE((rest == 0).all().item<bool>());
}

TEST(FlatState, ParametersAndGradientsAreViews) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const AdapterSet set = make_full_set(dtype);
    const Tensor x = random_tensor({3, 7}, 1, dtype), c = random_tensor({3, 5}, 2, dtype);
    EXPECT_TRUE(set.param(1).is_leaf());
    for (int pass = 1; pass <= 2; ++pass) {  // autograd accumulates into the flat buffer, twice
      torch::autograd::backward({at::matmul(x, set.param(1).t())}, {c});
      EXPECT_TRUE(same_bytes(set.grad(1), at::matmul(c.t(), x) * pass));
      EXPECT_TRUE(same_bytes(set.param(1).grad(), set.grad(1)));
    }
    EXPECT_EQ(set.param(1).grad().data_ptr(), set.grad(1).data_ptr());
    EXPECT_TRUE((set.grad(0) == 0).all().item<bool>());
    set.flat_grad().zero_();
    EXPECT_TRUE((set.param(1).grad() == 0).all().item<bool>());
    set.flat_param().fill_(3);
    EXPECT_TRUE((set.param(2) == 3).all().item<bool>());
  }
}

TEST(FlatState, FindsAdaptersAndExperts) {
  const AdapterSet set = make_full_set();
  EXPECT_EQ(set.hot_experts(0), (std::vector<int64_t>{2, 4}));
  EXPECT_TRUE(set.hot_experts(1).empty());
  EXPECT_NE(set.find(0, Slot::q), nullptr);
  EXPECT_EQ(set.find(1, Slot::q), nullptr);
  EXPECT_EQ(set.find(0, Slot::k), nullptr);
  EXPECT_EQ(set.find_site(-1, Slot::final_norm)->out, 7);
}

}  // namespace
}  // namespace hellora
