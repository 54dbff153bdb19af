#include "hellora/train/forget.h"

#include "hellora/core/error.h"
#include "hellora/core/rng.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

/// The order and the dropout masks of this stream are its own.
uint64_t forget_seed(uint64_t seed) { return mix64(seed, hash_text("forget")); }

Schedule second_schedule(const TrainJob& job) {
  HELLORA_CHECK(job.forget != nullptr, "the method needs a second stream of rows");
  return {job.forget, job.packing, forget_seed(job.seed), job.config.grad_accumulation};
}

double share(double whole, int64_t of) { return whole / static_cast<double>(std::max<int64_t>(1, of)); }

}  // namespace

Forget::Forget(const TrainJob& job, const Prototypes* prototypes) : job_(job), prototypes_(prototypes), stream_(second_schedule(job)) {}

void Forget::one_pass(const PackedBatch& packed, const StepContext& context, const StreamTerms& scales, StreamTerms* sums) const {
  const Decoder& decoder = *job_.decoder;
  const bool gradient = scales.loss != 0 || scales.drift != 0;
  const at::AutoGradMode mode(gradient);
  Forward forward;
  forward.context = context;
  forward.recompute = job_.config.gradient_checkpointing;
  const Supervised rows = supervised_rows(packed.targets);
  if (rows.row_N.size(0) < static_cast<int64_t>(packed.ids.size())) forward.needed_N = rows.row_N;
  const Tensor h = decoder.hidden(to_batch(packed), forward);
  Tensor dh;
  sums->loss += (gradient ? backward_loss(decoder, h, rows, scales.loss, context, &dh) : evaluate_loss(decoder, h, rows, context)).sum;
  if (prototypes_ != nullptr) sums->drift += prototypes_->drift(decoder, h, packed, Prototypes::forget, scales.drift, &dh);
  if (gradient && h.requires_grad()) torch::autograd::backward({h}, {dh});
}

bool Forget::add_gradient(const std::vector<PackedBatch>& batches, const StepHooks& hooks, int64_t step, bool always,
                          StreamTerms* measured) {
  int64_t supervised = 0, rows = 0;
  for (const PackedBatch& packed : batches) {
    supervised += packed.supervised;
    if (prototypes_ != nullptr) rows += Prototypes::rows(packed);
  }
  const auto pass = [&](const StreamTerms& scales, StreamTerms* sums) {
    for (size_t micro = 0; micro < batches.size(); ++micro) {
      if (!always && interrupt_requested()) return false;
      const StepContext context{true, job_.adapters->config().dropout, stream_.schedule().seed, job_.phase,
                                step, static_cast<int64_t>(micro)};
      one_pass(batches[micro], context, scales, sums);
    }
    return true;
  };
  StreamTerms sums, unused;
  if (!pass({}, &sums)) return false;
  *measured = {share(sums.loss, supervised), share(sums.drift, rows)};
  const StreamTerms weights = hooks.forget_weights(*measured);
  if (weights.loss == 0 && weights.drift == 0) return true;  // beyond its bounds: no gradient
  return pass({share(weights.loss, supervised), share(weights.drift, rows)}, &unused);
}

}  // namespace hellora
