#include "hellora/model/gguf/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "hellora/core/error.h"
#include "hellora/io/gguf_blocks.h"

namespace hellora {
namespace {

constexpr double kMaxFactor = 1e6;

/// Of one pair: 1 for short waves, `factor` for long ones, blended between (Llama 3.1's rule).
double llama3_factor(const RopeRule& rule, double wave) {
  const auto trained = static_cast<double>(rule.original_positions);
  if (wave < trained / rule.high_factor) return 1;
  if (wave > trained / rule.low_factor) return rule.factor;
  const double blend = (trained / wave - rule.low_factor) / (rule.high_factor - rule.low_factor);
  return 1 / ((1 - blend) / rule.factor + blend);
}

/// The file holds the factors of Llama 3's rule, not its settings: those of the published models are tried, and only an equal list is
/// taken.
void read_factors(const GgufFile& file, const ModelShape& shape, RopeRule& rule) {
  const GgufTensor* tensor = file.find(kRopeFactors);
  if (tensor == nullptr) return;
  std::vector<float> factors(static_cast<size_t>(tensor->count()));
  dequantise(tensor->type, file.bytes(*tensor, 0, tensor->count()), factors);
  if (std::all_of(factors.begin(), factors.end(), [](float factor) { return factor == 1; })) return;
  RopeRule llama3 = rule;
  llama3.type = RopeType::llama3;
  llama3.factor = *std::max_element(factors.begin(), factors.end());
  llama3.original_positions = 8192;
  const bool fits = static_cast<int64_t>(factors.size()) * 2 == shape.head_dim && !shape.has_latent();
  bool same = fits && rule.type == RopeType::plain && llama3.factor >= 1 && llama3.factor <= kMaxFactor;
  for (size_t j = 0; j < factors.size(); ++j) {
    const double wave = 2 * std::numbers::pi * std::pow(rule.theta, static_cast<double>(j) / static_cast<double>(factors.size()));
    same = same && std::abs(static_cast<double>(factors[j]) / llama3_factor(llama3, wave) - 1) < 1e-5;
  }
  if (!same) {
    throw FormatError(file.path().string() + ": tensor \"" + kRopeFactors +
                      "\" holds factors that are neither 1 nor those of Llama 3.1; they would change the result");
  }
  rule = llama3;
}

void read_yarn(GgufMetadata& keys, const std::string& scaling, RopeRule& rule) {
  rule.beta_fast = keys.number_or(scaling + "yarn_beta_fast", 32, 1e-3, kMaxFactor);
  rule.beta_slow = keys.number_or(scaling + "yarn_beta_slow", 1, 1e-3, kMaxFactor);
  // 0.1 · mscale_all_dim; the published models have the same mscale, and llama.cpp computes as if it were so.
  const double times = keys.number_or(scaling + "yarn_log_multiplier", 0, 0, kMaxFactor) * 10;
  rule.mscale = rule.mscale_all_dim = std::round(times * 1e6) / 1e6;
  for (const char* key : {"yarn_attn_factor", "attn_factor", "yarn_ext_factor"}) keys.number_or(scaling + key, 1, 1, 1);
}

}  // namespace

RopeRule read_gguf_rope(GgufFile& file, const std::string& prefix, const ModelShape& shape) {
  GgufMetadata& keys = file.metadata();
  RopeRule rule;
  const std::string scaling = prefix + "rope.scaling.", old = prefix + "rope.scale_linear";
  rule.theta = keys.number_or(prefix + "rope.freq_base", 10000, 1, 1e15);
  rule.factor = keys.number_or(scaling + "factor", keys.number_or(old, 1, 1, kMaxFactor), 0, kMaxFactor);
  const std::string type(keys.text_or(scaling + "type", rule.factor > 1 ? "linear" : "none"));
  if (type != "none" && type != "linear" && type != "yarn")
    throw FormatError(keys.where(scaling + "type") + ": \"" + type + "\" is not supported; expected none, linear or yarn");
  rule.original_positions = keys.integer_or(scaling + "original_context_length", shape.max_positions, 1, int64_t{1} << 30);
  keys.harmless(scaling + "finetuned");
  if (type == "none" || rule.factor <= 1) {
    rule.factor = 1;
    rule.original_positions = 0;
  } else {
    rule.type = type == "linear" ? RopeType::linear : RopeType::yarn;
  }
  if (rule.type == RopeType::yarn) read_yarn(keys, scaling, rule);
  read_factors(file, shape, rule);
  return rule;
}

}  // namespace hellora
