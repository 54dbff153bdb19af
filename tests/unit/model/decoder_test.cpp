// What must be equal: cached and cache-free passes, packed and single documents, fresh adapters and the base, all experts
// and full LoRA, any thread count.
#include "hellora/model/kv_cache.h"
#include "tests/support/step.h"
#include "tests/support/tiny_model.h"
#include "tests/support/tolerances.h"

namespace hellora {
namespace {

using namespace testing;

using Documents = std::vector<std::vector<int64_t>>;

Documents documents(const std::vector<int64_t>& lengths) {
  Documents out;
  for (const int64_t length : lengths) out.push_back(random_ids(length, tiny_shape().vocab, out.size() + 1));
  return out;
}

ModelShape clipped_shape() {
  ModelShape shape = tiny_shape();
  shape.clip_qkv = 0.7;
  shape.router.renormalize = true;
  shape.tied_embeddings = true;
  return shape;
}

/// Feeds chunks of several sequences through a cache and compares every logit with one cache-free pass.
void expect_cache_equals_plain(const ModelShape& shape, const AdapterSet* adapters) {
  const TinyModel model(shape, at::kDouble);
  model.decoder->bind(adapters);
  const Documents sequences = documents({90, 17});  // longer than the cache's first capacity, and shorter
  const at::NoGradGuard no_grad;
  KvCache cache(shape.layers, 2);
  Forward cached;
  cached.cache = &cache;
  std::vector<std::vector<Tensor>> parts(2);
  std::vector<size_t> done = {0, 0};
  for (const size_t chunk : {5U, 1U, 1U, 9U, 1U, 63U, 10U}) {
    Documents next;
    std::vector<int64_t> past, lengths;
    for (size_t s = 0; s < 2; ++s) {
      const size_t end = std::min(sequences[s].size(), done[s] + chunk);
      next.emplace_back(sequences[s].begin() + static_cast<int64_t>(done[s]), sequences[s].begin() + static_cast<int64_t>(end));
      past.push_back(cache.length(static_cast<int64_t>(s)));
      EXPECT_EQ(past.back(), static_cast<int64_t>(done[s]));
      done[s] = end;
    }
    if (next[1].empty()) next.pop_back();
    const Tensor logits = model.decoder->logits(model.decoder->hidden(make_batch(next, past), cached), {});
    for (size_t s = 0, row = 0; s < next.size(); row += next[s++].size()) {
      parts[s].push_back(logits.narrow(0, static_cast<int64_t>(row), static_cast<int64_t>(next[s].size())));
    }
  }
  for (size_t s = 0; s < 2; ++s) {
    ASSERT_EQ(done[s], sequences[s].size());
    EXPECT_TRUE(close_to(at::cat(parts[s]), all_logits(*model.decoder, make_batch(Documents{sequences[s]})), kSameMath64))
        << "sequence " << s;
  }
}

TEST(KvCaching, EqualsTheCacheFreePass) {
  expect_cache_equals_plain(tiny_shape(), nullptr);
  expect_cache_equals_plain(clipped_shape(), nullptr);
  expect_cache_equals_plain(tiny_shape_of("mistral"), nullptr);  // a window shorter than some chunks
  const auto adapters = fresh_adapters(tiny_shape(), tiny_plan(), tiny_config(), at::kDouble);
  randomise(*adapters, 3);
  expect_cache_equals_plain(tiny_shape(), adapters.get());
}

TEST(Packing, DocumentsDoNotSeeEachOther) {
  const TinyModel model(tiny_shape(), at::kDouble);
  const Documents all = documents({9, 1, 14});
  const Tensor packed = all_logits(*model.decoder, make_batch(all));
  int64_t row = 0;
  for (const auto& document : all) {
    const auto length = static_cast<int64_t>(document.size());
    EXPECT_TRUE(close_to(packed.narrow(0, row, length), all_logits(*model.decoder, make_batch(Documents{document})), kSameMath64));
    row += length;
  }
}

TEST(Packing, GradientOfAPackIsThatOfItsDocuments) {
  const TinyModel model(tiny_shape(), at::kDouble);
  const auto adapters = fresh_adapters(tiny_shape(), tiny_plan(), tiny_config(), at::kDouble);
  randomise(*adapters, 3);
  model.decoder->bind(adapters.get());
  const Documents all = documents({9, 14});
  const double packed_loss = backward_step(*model.decoder, train_batch(all));
  const Tensor packed = adapters->flat_grad().clone();
  Tensor mean = at::zeros_like(packed);
  double loss = 0;
  for (const auto& document : all) {
    adapters->flat_grad().zero_();
    const double share = static_cast<double>(document.size() - 1) / 21;  // supervised rows of 8 + 13
    loss += share * backward_step(*model.decoder, train_batch({document}));
    mean += share * adapters->flat_grad();
  }
  EXPECT_NEAR(packed_loss, loss, kSameMath64 * loss);
  EXPECT_TRUE(close_to(packed, mean, kSameMath64 * 10));
}

TEST(Causality, LaterTokensDoNotChangeEarlierRows) {
  const TinyModel model(tiny_shape(), at::kDouble);
  Documents one = documents({12});
  const Tensor before = all_logits(*model.decoder, make_batch(one));
  one[0][8] = one[0][8] == 5 ? 6 : 5;
  const Tensor after = all_logits(*model.decoder, make_batch(one));
  EXPECT_TRUE(close_to(after.narrow(0, 0, 8), before.narrow(0, 0, 8), kSameMath64));
  for (int64_t row = 8; row < 12; ++row) EXPECT_FALSE(close_to(after[row], before[row], 1e-6)) << row;
}

TEST(FreshAdapter, LeavesEveryLogitBitAsItWas) {
  const TinyModel model;
  const Batch batch = make_batch(documents({9, 14}));
  const Tensor base = all_logits(*model.decoder, batch);
  const AdapterConfig everywhere = tiny_config({"q", "k", "v", "o", "router", "gate", "up", "down", "embed", "lm_head"});
  for (const Plan& plan : {tiny_plan(), all_experts(tiny_shape())}) {
    const auto adapters = fresh_adapters(tiny_shape(), plan, everywhere);
    model.decoder->bind(adapters.get());
    EXPECT_TRUE(same_bytes(all_logits(*model.decoder, batch), base));
    randomise(*adapters, 9);
    EXPECT_FALSE(close_to(all_logits(*model.decoder, batch), base, 1e-3));
  }
  model.decoder->bind(nullptr);
  EXPECT_TRUE(same_bytes(all_logits(*model.decoder, batch), base));
}

TEST(AllExpertsPlan, IsFullLora) {
  const TinyModel model;
  Plan listed;  // a plan file that happens to name everybody
  listed.policy = "hot";
  for (int64_t layer = 0; layer < 2; ++layer) {
    listed.layers.push_back({layer, {}, 0.9});
    for (int64_t e = 0; e < 6; ++e) listed.layers.back().experts.push_back({e, 3});
  }
  const auto hot = fresh_adapters(tiny_shape(), listed), all = fresh_adapters(tiny_shape(), all_experts(tiny_shape()));
  ASSERT_TRUE(same_bytes(hot->flat_param(), all->flat_param()));
  randomise(*hot, 4);
  randomise(*all, 4);
  const TrainBatch data = train_batch(documents({9, 14}), 3);
  model.decoder->bind(hot.get());
  const double hot_loss = backward_step(*model.decoder, data, 0.01);
  model.decoder->bind(all.get());
  EXPECT_EQ(hot_loss, backward_step(*model.decoder, data, 0.01));
  EXPECT_TRUE(same_bytes(hot->flat_grad(), all->flat_grad()));
  EXPECT_GT(largest_of({hot->flat_grad()}), 0);
}

TEST(HotSubset, StartsAndStepsLikeItsPartOfFullLora) {
  // Same seed and names: a hot expert's pair starts as in full LoRA, and with B = 0 elsewhere its gradient is the same.
  const TinyModel model(tiny_shape(), at::kDouble);
  const auto some = fresh_adapters(tiny_shape(), tiny_plan(), tiny_config(), at::kDouble);
  const auto all = fresh_adapters(tiny_shape(), all_experts(tiny_shape()), tiny_config(), at::kDouble);
  const TrainBatch data = train_batch(documents({30, 25}));
  for (const AdapterSet* one : {some.get(), all.get()}) {
    model.decoder->bind(one);
    backward_step(*model.decoder, data);
  }
  size_t shared = 0;
  for (size_t i = 0; i < some->specs().size(); ++i) {
    for (size_t j = 0; j < all->specs().size(); ++j) {
      if (some->specs()[i].name != all->specs()[j].name) continue;
      EXPECT_TRUE(same_bytes(some->param(i), all->param(j)));
      EXPECT_TRUE(close_to(some->grad(i), all->grad(j), kSameMath64 * 10, 1e-6)) << some->specs()[i].name;
      ++shared;
    }
  }
  EXPECT_EQ(shared, some->specs().size());
  EXPECT_LT(shared, all->specs().size());
}

TEST(Step, SameBytesForAnyThreads) {
  const TinyModel model;
  const auto adapters = fresh_adapters(tiny_shape(), tiny_plan());
  randomise(*adapters, 5);
  model.decoder->bind(adapters.get());
  const TrainBatch data = train_batch(documents({80, 61}));
  const StepContext context{true, 0.1, 3, 1, 4, 0};
  expect_same_for_any_threads([&] {
    adapters->flat_grad().zero_();
    const double loss = backward_step(*model.decoder, data, 0.01, context);
    return std::vector<Tensor>{at::scalar_tensor(loss, at::TensorOptions(at::kDouble)), adapters->flat_grad().clone()};
  });
}

TEST(Loss, ChunksSumToTheWholeAndUnsupervisedRowsDoNotCount) {
  const TinyModel model(tiny_shape(), at::kDouble);
  const TrainBatch data = train_batch(documents({300, 7}), 4);  // more rows than one chunk
  const Tensor logits = all_logits(*model.decoder, data.batch);
  const Tensor targets = at::tensor(data.targets_T, at::TensorOptions(at::kLong));
  const auto want = at::cross_entropy_loss(logits, targets, {}, at::Reduction::Mean, -100).item<double>();
  EXPECT_NEAR(mean_loss(*model.decoder, data), want, kSameMath64 * want);
  EXPECT_EQ(supervised_rows(data.targets_T).row_N.size(0), 296 + 3);
}

}  // namespace
}  // namespace hellora
