#include "hellora/recipe/memory_plan.h"

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/model/count.h"
#include "hellora/recipe/profile_run.h"
#include "hellora/select/policy.h"
#include "hellora/train/prototypes.h"

namespace hellora {
namespace {

int64_t adapted_layers(const AdapterSet& adapters, int64_t layers) {
  int64_t lowest = layers;
  for (const Site& site : adapters.sites()) lowest = std::min(lowest, std::max<int64_t>(0, site.layer));
  return layers - lowest;
}

/// How much of the routed rows the adapted experts take at most: in profiles hot ones have up to four times their share.
double rows_share(const ModelShape& shape, int64_t adapted) {
  return shape.experts > 0 ? std::min(1.0, 4.0 * static_cast<double>(adapted) / static_cast<double>(shape.experts)) : 1.0;
}

TrainingNeeds training_needs(const RunConfig& config, const ModelShape& shape, const AdapterElements& elements, int64_t tokens,
                             int64_t layers) {
  const Method& method = find_method(config.adapter.method);
  return {weight_bytes(shape, config.compute.weights == "bf16" ? 2 : 4),
          elements.trained,
          elements.frozen,
          method.step_bytes,
          method.has_prototypes ? Prototypes::bytes(shape.hidden) : 0,
          tokens,
          layers,
          config.compute.saved == "bf16" ? 2 : 4,
          config.compute.matmul == "bf16" ? 2 : 4,
          method.composed ? rows_share(shape, elements.experts) : 0,
          config.adapter.dropout > 0,
          config.train.gradient_checkpointing};
}

}  // namespace

// In the warm-up, or with as many experts as the plan can name.
AdapterElements most_elements(const RunConfig& config, const ModelShape& shape) {
  Plan plan = all_experts(shape);
  if (!config.select.plan.empty()) {
    plan = read_plan(config.select.plan);
  } else if (takes_profile(config, shape) && config.select.policy != "coverage" && config.select.policy != "global-hot") {
    plan = first_experts(shape, resolve_k(config.select.k, auto_k(shape), shape.experts));
  }
  const AdapterElements planned = count_elements(shape, config.adapter, plan);
  if (!takes_profile(config, shape) || config.select.mode == "base") return planned;
  AdapterConfig warm = config.adapter;
  warm.method = "lora";
  warm.targets = {"auto"};
  const AdapterElements warming = count_elements(shape, warm, all_experts(shape));
  return planned.trained + planned.frozen > warming.trained ? planned : warming;
}

Forecast forecast_most(const RunConfig& config, const ModelShape& shape) {
  return forecast_training(shape, training_needs(config, shape, most_elements(config, shape), micro_batch_tokens(config), shape.layers));
}

void settle_memory(RunConfig* config, const ModelShape& shape) {
  const int64_t there = machine_bytes();
  const AdapterElements elements = most_elements(*config, shape);
  const auto total = [&](int64_t tokens) {
    return forecast_training(shape, training_needs(*config, shape, elements, tokens, shape.layers)).total();
  };
  const auto fits = [&](int64_t tokens) { return there <= 0 || total(tokens) <= there / 100 * 95; };
  int64_t tokens = micro_batch_tokens(*config);
  int64_t smaller = tokens;
  while (!fits(smaller) && smaller / 2 >= config->data.max_length) smaller /= 2;
  if (!config->train.micro_batch_tokens) tokens = smaller;
  if (!fits(tokens)) {
    throw StateError("the run needs about " + human_bytes(static_cast<double>(total(tokens))) + ", " + machine_text() + "; " +
                     (fits(smaller) ? "train.micro_batch_tokens=" + std::to_string(smaller) + " fits"
                                    : "compute.saved=bf16, train.gradient_checkpointing=true, compute.weights=bf16, a smaller "
                                      "data.max_length, adapter.rank or select.k, or "
                                      "select.mode=base needs less"));
  }
  config->train.micro_batch_tokens = tokens;
}

Forecast forecast_plan(const RunConfig& config, const ModelShape& shape, const Plan& plan) {
  return forecast_training(
      shape, training_needs(config, shape, count_elements(shape, config.adapter, plan), micro_batch_tokens(config), shape.layers));
}

Forecast forecast_run(const RunConfig& config, const ModelShape& shape, const AdapterSet& adapters) {
  return forecast_training(shape, training_needs(config, shape, {adapters.flat_param().numel(), adapters.flat_frozen().numel()},
                                                 micro_batch_tokens(config), adapted_layers(adapters, shape.layers)));
}

}  // namespace hellora
