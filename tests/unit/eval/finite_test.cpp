// A model with a value that is not finite gives no result but the place where it was seen.
#include <cmath>

#include "hellora/eval/generate.h"
#include "hellora/eval/perplexity.h"
#include "tests/support/tensor_map.h"
#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

/// The tiny model with one row of a tensor spoiled.
std::unique_ptr<Decoder> spoiled(const char* name, int64_t row, float value) {
  const TempFolder folder;
  init_model(tiny_shape(), folder.path(), 1, true, 0.4);
  TensorMap tensors = tensors_of(folder.path());
  tensors.at(name)[row].fill_(value);
  write_tensors(folder.path() / "model.safetensors", tensors);
  return load_decoder(Checkpoint(folder.path()), {});
}

Dataset three_records() {
  Dataset data;
  for (int64_t r = 0; r < 3; ++r) {
    const std::vector<int64_t> ids = r == 1 ? std::vector<int64_t>{3, 60, 5, 6} : std::vector<int64_t>{3, 4, 5, 6};
    data.add(ids, std::vector<int64_t>{4, 5, 6, kIgnore}, r);
  }
  return data;
}

TEST(FiniteEvaluation, NamesTheRecord) {
  for (const float bad : {NAN, INFINITY}) {
    const auto decoder = spoiled("model.embed_tokens.weight", 60, bad);
    // The router of layer 0 sees it first; in which of the record's rows depends on how attention masks.
    EXPECT_CONTAINS(error_of<CheckFailed>([&] { evaluate_dataset(*decoder, three_records(), {}); }),
                    "layer 0: the router's logits of row ");
  }
  const auto head = spoiled("model.norm.weight", 3, NAN);
  EXPECT_CONTAINS(error_of<CheckFailed>([&] { evaluate_dataset(*head, three_records(), {}); }), "the loss of record 1 of the data is nan");
  Dataset clean = three_records();
  clean.examples.erase(clean.examples.begin() + 1);
  const auto unused = spoiled("model.embed_tokens.weight", 60, NAN);
  EXPECT_TRUE(std::isfinite(evaluate_dataset(*unused, clean, {}).sum));
}

TEST(FiniteEvaluation, NamesTheRoutersLayer) {
  const auto decoder = spoiled("model.layers.1.mlp.gate.weight", 2, NAN);
  EXPECT_CONTAINS(error_of<CheckFailed>([&] { evaluate_dataset(*decoder, three_records(), {}); }), "layer 1: the router's logits of row 0");
}

TEST(FiniteGeneration, NamesPromptAndPosition) {
  GenerateConfig config;
  config.max_new_tokens = 2;
  const std::vector<std::vector<int64_t>> prompts = {{3, 4}, {3, 60, 5}};
  const auto decoder = spoiled("model.embed_tokens.weight", 60, NAN);
  EXPECT_CONTAINS(error_of<CheckFailed>([&] { generate(*decoder, prompts, config); }), "generate: prompt 2, position 3");
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const double temperature : {0.0, 1.0}) {
      config.temperature = temperature;
      EXPECT_CONTAINS(error_of<CheckFailed>([&] { pick_token(at::tensor({0.0F, bad}), config, 0, 7); }), "position 7: the logit of id 1");
    }
  }
}

}  // namespace
}  // namespace hellora::testing
