#include "hellora/train/trainer.h"

#include <chrono>
#include <cmath>

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/moe/balance.h"
#include "hellora/train/memory.h"
#include "hellora/train/schedule.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Collects what the balance loss needs.
class RoutingCollector : public Observer {
 public:
  void on_route(int64_t, const Routing& routing) override { layers.push_back(routing); }
  std::vector<Routing> layers;
};

struct StepTotals {
  double loss_sum = 0, aux = 0;
  int64_t supervised = 0, tokens = 0;
  double forward_seconds = 0, backward_seconds = 0, optimizer_seconds = 0;
};

class Loop {
 public:
  explicit Loop(const TrainJob& job) : job_(job), optimizer_(*job.adapters, job.config), total_(total_steps(job)) {
    if (job.audit) audit_ = std::make_unique<Audit>(*job.decoder, *job.adapters);
    if (!job.resume.empty()) cursor_ = load_checkpoint(job.resume, job.identity, *job.adapters, optimizer_, audit_.get());
    metrics_ = std::make_unique<Metrics>(job.run_dir, cursor_.step);
  }

  TrainResult run() {
    const InterruptGuard guard;
    int64_t saved_at = cursor_.step;
    while (cursor_.step < total_) {
      if (!one_step()) stop_now(saved_at);
      const bool last = cursor_.step == total_;
      if (due(job_.config.eval_steps) && !last) evaluate();
      if (due(job_.config.save_steps) || last) {
        save();
        saved_at = cursor_.step;
      }
    }
    if (audit_ != nullptr) result_.audit = audit_->report(&result_.audit_passed);
    result_.steps = cursor_.step;
    result_.tokens = cursor_.tokens;
    return result_;
  }

 private:
  bool due(int64_t every) const { return every > 0 && cursor_.step % every == 0; }

  void save() {
    if (!job_.run_dir.empty()) save_checkpoint(job_.run_dir, cursor_, job_.identity, *job_.adapters, optimizer_, audit_.get());
  }

  void evaluate() {
    if (!job_.evaluate) return;
    const LossSum loss = job_.evaluate(*job_.decoder);
    metrics_->eval_line(cursor_.step, loss.sum / static_cast<double>(loss.count));
  }

  [[noreturn]] void stop_now(int64_t saved_at) {
    if (saved_at != cursor_.step && cursor_.step > 0) save();
    throw Interrupted("stopped after step " + std::to_string(cursor_.step) +
                      (job_.run_dir.empty() ? std::string() : "; continue with --resume " + job_.run_dir.string()));
  }

  /// The micro-batches of the next step; moves `next` past them.
  std::vector<PackedBatch> step_batches(Cursor& next) {
    std::vector<PackedBatch> out;
    if (epoch_loaded_ != next.epoch) load_epoch(next.epoch);
    if (next.batch >= static_cast<int64_t>(batches_.size())) {
      ++next.epoch;
      next.batch = 0;
      load_epoch(next.epoch);
    }
    while (next.batch < static_cast<int64_t>(batches_.size()) && static_cast<int64_t>(out.size()) < job_.config.grad_accumulation) {
      out.push_back(pack(*job_.data, batches_[static_cast<size_t>(next.batch++)]));
    }
    // The next step's rows come from the disk while this one computes.
    for (size_t i = 0, b = static_cast<size_t>(next.batch); i < out.size() && b + i < batches_.size(); ++i) {
      will_need(*job_.data, batches_[b + i]);
    }
    return out;
  }

  void load_epoch(int64_t epoch) {
    batches_ = epoch_batches(*job_.data, job_.packing, job_.seed, epoch);
    epoch_loaded_ = epoch;
  }

  /// False when the user interrupted: the open step is dropped.
  bool one_step() {
    const auto start = Clock::now();
    Cursor next = cursor_;
    const std::vector<PackedBatch> batches = step_batches(next);
    StepTotals totals;
    for (const PackedBatch& batch : batches) totals.supervised += batch.supervised;
    optimizer_.zero_grad();
    for (size_t micro = 0; micro < batches.size(); ++micro) {
      if (interrupt_requested()) return false;
      micro_step(batches[micro], static_cast<int64_t>(micro), static_cast<int64_t>(batches.size()), totals);
    }
    if (interrupt_requested()) return false;
    const auto optimizer_start = Clock::now();
    const double lr = learning_rate(job_.config, cursor_.step, total_);
    const double loss = totals.loss_sum / static_cast<double>(totals.supervised), norm = optimizer_.grad_norm();
    refuse_non_finite(loss, norm);
    if (audit_ != nullptr) audit_->after_backward(lr);
    optimizer_.clip(norm);
    optimizer_.step(lr);
    totals.optimizer_seconds = seconds_since(optimizer_start);
    next.step = cursor_.step + 1;
    next.tokens = cursor_.tokens + totals.tokens;
    cursor_ = next;
    report(totals, loss, lr, norm, seconds_since(start));
    return true;
  }

  void refuse_non_finite(double loss, double norm) const {
    if (std::isfinite(loss) && std::isfinite(norm)) return;
    const Path last = job_.run_dir.empty() ? Path() : find_checkpoint(job_.run_dir);
    throw CheckFailed("step " + std::to_string(cursor_.step + 1) + ": loss " + fixed(loss, 4) + ", gradient norm " + fixed(norm, 4) +
                      " is not finite; the step was not applied" + (last.empty() ? "" : "; last good checkpoint: " + last.string()) +
                      "; a lower train.lr may help");
  }

  void micro_step(const PackedBatch& packed, int64_t micro, int64_t micros, StepTotals& totals) {
    const auto start = Clock::now();
    Forward forward;
    forward.context = {true, job_.adapters->config().dropout, job_.seed, job_.phase, cursor_.step, micro};
    forward.observers = job_.observers;
    forward.recompute = job_.config.gradient_checkpointing;
    RoutingCollector routing;
    if (job_.config.router_aux_loss > 0) forward.observers.push_back(&routing);
    const Reach reach = find_reach(packed);
    if (audit_ != nullptr) {
      audit_->begin_micro_batch(reach);
      forward.observers.push_back(audit_.get());
    }
    if (job_.before_batch) job_.before_batch(packed);

    const Supervised rows = supervised_rows(packed.targets);
    if (rows.row_N.size(0) < static_cast<int64_t>(packed.ids.size())) forward.needed_N = rows.row_N;
    const Tensor h = job_.decoder->hidden(to_batch(packed), forward);
    totals.forward_seconds += seconds_since(start);
    const auto backward_start = Clock::now();
    Tensor dh;
    const LossSum loss = backward_loss(*job_.decoder, h, rows, 1.0 / static_cast<double>(totals.supervised), forward.context, &dh);
    std::vector<Tensor> outputs, gradients;
    if (h.requires_grad()) {
      outputs.push_back(h);
      gradients.push_back(dh);
    }
    if (!routing.layers.empty()) {
      std::vector<SequenceRows> sequences;
      for (const Document& document : packed.documents) sequences.push_back({document.start, document.length});
      const Tensor aux = balance_loss(job_.decoder->shape().router.balance, routing.layers, sequences);
      totals.aux += aux.item<double>() / static_cast<double>(micros);
      if (aux.requires_grad()) {
        outputs.push_back(aux);
        gradients.push_back(at::full_like(aux, job_.config.router_aux_loss / static_cast<double>(micros)));
      }
    }
    if (!outputs.empty()) torch::autograd::backward(outputs, gradients);
    totals.backward_seconds += seconds_since(backward_start);
    totals.loss_sum += loss.sum;
    totals.tokens += static_cast<int64_t>(packed.ids.size());
  }

  void report(const StepTotals& totals, double loss, double lr, double norm, double seconds) {
    result_.seconds += seconds;
    result_.step_tokens += totals.tokens;
    result_.last_loss = loss;
    const double rate = static_cast<double>(totals.tokens) / seconds;
    Json line{{"step", cursor_.step},
              {"loss", loss},
              {"lr", lr},
              {"grad_norm", norm},
              {"tokens", cursor_.tokens},
              {"supervised_tokens", totals.supervised},
              {"tokens_per_s", rate},
              {"rss_bytes", resident_bytes()}};
    if (job_.config.router_aux_loss > 0) line["aux_loss"] = totals.aux;
    line["seconds"] = {{"step", seconds},
                       {"forward", totals.forward_seconds},
                       {"backward", totals.backward_seconds},
                       {"optimizer", totals.optimizer_seconds}};
    metrics_->train_line(line);
    if (!job_.progress) return;
    ++steps_here_;
    const double left = result_.seconds / static_cast<double>(steps_here_) * static_cast<double>(total_ - cursor_.step);
    job_.progress({cursor_.step, total_, loss, lr, norm, rate, left, resident_bytes(), seconds, totals.forward_seconds,
                   totals.backward_seconds, totals.optimizer_seconds});
  }

  const TrainJob& job_;
  AdamW optimizer_;
  int64_t total_, steps_here_ = 0;
  std::unique_ptr<Audit> audit_;
  std::unique_ptr<Metrics> metrics_;
  Cursor cursor_;
  TrainResult result_;
  std::vector<std::vector<int64_t>> batches_;
  int64_t epoch_loaded_ = -1;
};

}  // namespace

int64_t total_steps(const TrainJob& job) {
  if (job.config.max_steps > 0) return job.config.max_steps;
  int64_t total = 0;
  const auto whole = static_cast<int64_t>(job.config.epochs);
  const auto steps_of = [&](int64_t epoch) {
    const auto batches = static_cast<int64_t>(epoch_batches(*job.data, job.packing, job.seed, epoch).size());
    return (batches + job.config.grad_accumulation - 1) / job.config.grad_accumulation;
  };
  for (int64_t epoch = 0; epoch < whole; ++epoch) total += steps_of(epoch);
  const double rest = job.config.epochs - static_cast<double>(whole);
  if (rest > 0) total += static_cast<int64_t>(std::ceil(rest * static_cast<double>(steps_of(whole))));
  return total;
}

TrainResult train(const TrainJob& job) { return Loop(job).run(); }

}  // namespace hellora
