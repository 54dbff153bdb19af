// Text generation with a key-value cache: greedy or sampled, one prompt or a batch.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "hellora/model/decoder.h"

namespace hellora {

struct GenerateConfig {
  int64_t max_new_tokens = 256;
  double temperature = 0;         // 0: greedy; ties go to the lower id
  double top_p = 1;               // smallest set of ids whose probabilities reach this sum
  uint64_t seed = 0;              // a sample is a function of (seed, row, position)
  std::vector<int64_t> stop_ids;  // end a row; not part of the result
  std::function<bool()> stop;     // asked after every token: true ends all rows
};

/// Called with each new id (stop ids excepted).
using OnToken = std::function<void(size_t row, int64_t id)>;

/// New ids of each prompt; neighbours in the batch change a row by rounding at most. DataError: an empty prompt, or one that leaves
/// no room in the model's positions; generation stops where the positions end.
std::vector<std::vector<int64_t>> generate(const Decoder& decoder, std::span<const std::vector<int64_t>> prompts,
                                           const GenerateConfig& config, const OnToken& on_token = {});

/// The next id from one row of logits (V). CheckFailed names prompt and position of logits that are not finite.
int64_t pick_token(const Tensor& logits_V, const GenerateConfig& config, size_t row, int64_t position);

}  // namespace hellora
