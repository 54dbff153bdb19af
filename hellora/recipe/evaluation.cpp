#include "hellora/recipe/evaluation.h"

#include <chrono>

#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/recipe/progress.h"

namespace hellora {

Evaluation::Evaluation(const ModelShape& shape, const Plan& plan, const Dataset& train, const Dataset* eval, const PackingRule& rule)
    : has_data_(eval != nullptr), rule_(rule), drift_(shape, plan, eval != nullptr ? *eval : train, eval != nullptr) {}

LossSum Evaluation::measure(const Decoder& decoder, HotDrift::When when) {
  const auto start = std::chrono::steady_clock::now();
  Progress line(has_data_ ? "evaluate" : "routing", Ending::erase, Lines::seldom);
  const LossSum loss = drift_.measure(decoder, rule_, when, [&](int64_t done, int64_t total, const LossSum& so_far) {
    line.show(done, total, "loss " + fixed(so_far.sum / static_cast<double>(std::max<int64_t>(1, so_far.count)), 4));
  });
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return loss;
}

std::optional<double> Evaluation::before(const Decoder& decoder) {
  const LossSum loss = measure(decoder, HotDrift::start);
  if (has_data_) at_start_ = loss.sum / static_cast<double>(loss.count);
  return at_start_;
}

LossSum Evaluation::again(const Decoder& decoder) { return measure(decoder, HotDrift::now); }

void Evaluation::tell(int64_t step, double loss) {
  print_line("eval " + std::to_string(step) + ": loss " + fixed(loss, 4) +
             (step > 0 && at_start_ ? " (" + fixed(*at_start_, 4) + " at start)" : ""));
  if (step > 0) warn();
}

void Evaluation::warn() {
  for (const std::string& line : drift_.warnings()) log_warn(line);
}

}  // namespace hellora
