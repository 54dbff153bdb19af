#include "hellora/train/config.h"

namespace hellora {

std::vector<Field> train_fields(TrainConfig* config) {
  return {
      // The number of steps is compared by itself: a run that is resumed may become longer.
      free_on_resume(double_field("train.epochs", &config->epochs, 0, 1e6, "passes over the data; fractions are fine")),
      free_on_resume(int_field("train.max_steps", &config->max_steps, 0, 1 << 30, "optimizer steps; 0: as many as the epochs hold")),
      auto_field("train.micro_batch_tokens", &config->micro_batch_tokens, 1, 1 << 24,
                 "tokens of one forward pass; auto: 2048 or data.max_length"),
      int_field("train.grad_accumulation", &config->grad_accumulation, 1, 1 << 20, "micro-batches of one optimizer step"),
      free_on_resume(
          flag_field("train.gradient_checkpointing", &config->gradient_checkpointing,
                     "layers keep their input alone and are computed again in the backward pass: less memory, about a third more time")),
      double_field("train.lr", &config->lr, 0, 10, "peak learning rate"),
      choice_field("train.schedule", &config->schedule, {"constant", "linear", "cosine"}, "learning rate after the warm-up"),
      double_field("train.warmup_ratio", &config->warmup_ratio, 0, 1, "share of all steps in which the rate rises"),
      double_field("train.weight_decay", &config->weight_decay, 0, 10, "decoupled weight decay (not on norms)"),
      double_field("train.beta1", &config->beta1, 0, 0.999999, "AdamW"),
      double_field("train.beta2", &config->beta2, 0, 0.999999, "AdamW"),
      double_field("train.eps", &config->eps, 0, 1, "AdamW"),
      double_field("train.max_grad_norm", &config->max_grad_norm, 0, 1e9, "clip the gradient norm to this; 0: never"),
      free_on_resume(int_field("train.save_steps", &config->save_steps, 0, 1 << 30, "steps between checkpoints; 0: only at the end")),
      free_on_resume(
          int_field("train.save_total_limit", &config->save_total_limit, 0, 1 << 30, "checkpoints to keep, the newest ones; 0: all")),
      free_on_resume(int_field("train.eval_steps", &config->eval_steps, 0, 1 << 30, "steps between evaluations; 0: before and after only")),
      free_on_resume(flag_field("train.keep_best", &config->keep_best,
                                "the adapter is that of the lowest evaluation loss, and its checkpoint is kept")),
      free_on_resume(int_field("train.early_stop", &config->early_stop, 0, 1 << 30,
                               "stop after so many evaluations in a row without a lower loss; 0: never")),
      double_field("train.router_aux_loss", &config->router_aux_loss, 0, 100, "coefficient of the load-balancing loss"),
  };
}

std::vector<Field> compute_fields(ComputeConfig* config) {
  return {
      choice_field("compute.weights", &config->weights, {"bf16", "fp32"}, "storage of frozen matrices"),
      choice_field("compute.matmul", &config->matmul, {"auto", "fp32", "bf16"},
                   "arithmetic of products: fp32, or bf16 operands with fp32 sums; auto is bf16 where the processor has bf16 dot products"),
      choice_field("compute.saved", &config->saved, {"auto", "fp32", "bf16"}, "how activations wait for the backward pass; auto is fp32"),
      free_on_resume(int_field("compute.threads", &config->threads, 0, 4096, "0: all cores")),
      free_on_resume(choice_field("compute.device", &config->device, {"cpu"}, "where to compute")),
  };
}

}  // namespace hellora
