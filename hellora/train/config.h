// The `train` and `compute` sections of the configuration.
#pragma once

#include "hellora/core/config.h"

namespace hellora {

struct TrainConfig {
  double epochs = 1;
  int64_t max_steps = 0;  // 0: by epochs
  Auto micro_batch_tokens;
  int64_t grad_accumulation = 1;
  bool gradient_checkpointing = false;
  double lr = 4e-4;
  std::string schedule = "cosine";
  double warmup_ratio = 0.03;
  double weight_decay = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double max_grad_norm = 1;
  int64_t save_steps = 0, eval_steps = 0;
  int64_t save_total_limit = 0;  // 0: all
  bool keep_best = false;
  int64_t early_stop = 0;  // evaluations without a better loss; 0: never
  double router_aux_loss = 0;
};

struct ComputeConfig {
  std::string weights = "bf16";  // how frozen matrices are kept
  std::string matmul = "auto", saved = "auto";
  int64_t threads = 0;  // 0: all
  std::string device = "cpu";
};

std::vector<Field> train_fields(TrainConfig* config);
std::vector<Field> compute_fields(ComputeConfig* config);

}  // namespace hellora
