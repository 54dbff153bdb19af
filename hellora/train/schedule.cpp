#include "hellora/train/schedule.h"

#include <cmath>
#include <numbers>

namespace hellora {

double learning_rate(const TrainConfig& config, int64_t step, int64_t total) {
  const auto warmup = static_cast<int64_t>(std::ceil(config.warmup_ratio * static_cast<double>(total)));
  if (step < warmup) return config.lr * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double progress = static_cast<double>(step - warmup) / static_cast<double>(std::max<int64_t>(1, total - warmup));
  if (config.schedule == "linear") return config.lr * (1 - progress);
  if (config.schedule == "cosine") return config.lr * 0.5 * (1 + std::cos(std::numbers::pi * progress));
  return config.lr;
}

}  // namespace hellora
