#include "hellora/recipe/forget_check.h"

#include "hellora/core/text.h"
#include "hellora/eval/perplexity.h"
#include "hellora/recipe/progress.h"
#include "hellora/train/signals.h"

namespace hellora {

std::optional<double> ForgetCheck::measure(const Decoder& decoder) const {
  if (data_ == nullptr) return std::nullopt;
  Progress line("data to forget", Ending::erase, Lines::seldom);
  const LossSum loss = evaluate_dataset(
      decoder, *data_, rule_, {}, [](const PackedBatch&) { return !interrupt_requested(); },
      [&](int64_t done, int64_t total, const LossSum&) { line.show(done, total); });
  return loss.sum / static_cast<double>(std::max<int64_t>(1, loss.count));
}

void ForgetCheck::tell() const {
  if (before_ && after_) print_line("forget: loss " + fixed(*after_, 4) + " (" + fixed(*before_, 4) + " before)");
}

Json ForgetCheck::report() const { return before_ && after_ ? Json{{"loss_before", *before_}, {"loss_after", *after_}} : Json(); }

}  // namespace hellora
