#include "hellora/train/trainer.h"

#include <chrono>
#include <cmath>
#include <numeric>

#include "hellora/adapters/step_hooks.h"
#include "hellora/core/error.h"
#include "hellora/core/finite.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/moe/balance.h"
#include "hellora/train/forget.h"
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
  double loss_sum = 0, drift_sum = 0, aux = 0, regulariser = 0;
  int64_t supervised = 0, tokens = 0, rows = 0;  // rows that have a drift
  StreamTerms forget;
  double forward_seconds = 0, backward_seconds = 0, optimizer_seconds = 0;
};

/// The micro-batches of a step, and those of its second stream.
struct StepBatches {
  std::vector<PackedBatch> train, forget;
};

}  // namespace

class Loop {
 public:
  explicit Loop(const TrainJob& job)
      : job_(job),
        optimizer_(*job.adapters, job.config),
        hooks_(job.adapters->hooks()),
        length_(run_length(schedule_of(job), job.config)),
        total_(length_.total),
        phases_(hooks_->phases(total_)),
        stream_(schedule_of(job)) {
    if (hooks_->prototype_rows() > 0) prototypes_ = std::make_unique<Prototypes>(job.decoder->shape().hidden);
    if (job.adapters->method().needs_forget) {
      forget_ = std::make_unique<Forget>(job, prototypes_.get());
      cursor_.forget = StreamCursor();
    }
    if (job.audit) audit_ = std::make_unique<Audit>(*job.decoder, *job.adapters, hooks_.get());
    if (!job.resume.empty()) resume();
    metrics_ = std::make_unique<Metrics>(job.run_dir, cursor_.step, due(job.config.eval_steps) || cursor_.step == total_);
  }

  TrainResult run() {
    const InterruptGuard guard;
    saved_at_ = cursor_.step;
    if (prototypes_ != nullptr && cursor_.step == 0) take_prototypes();
    if (job_.load != nullptr && metrics_->has_eval(cursor_.step)) job_.load->take();  // the checkpoint was older than that point
    if (evaluation_due() && evaluations_.step < cursor_.step) {                       // a signal had cut it short
      evaluate();
      if (save_due()) save();
    }
    while (cursor_.step < total_ && !stopped_early()) {
      begin_phases();
      if (!one_step()) stop_now();
      if (evaluation_due()) evaluate();
      if (save_due()) save();
    }
    prune();
    return result();
  }

  TrainResult go_back(const Path& checkpoint) {
    load(checkpoint);
    return result();
  }

  void note_evaluation(std::optional<double> loss) {
    if (!metrics_->has_eval(cursor_.step)) metrics_->eval_line(cursor_.step, loss, job_.load != nullptr ? job_.load->take() : Json());
  }

 private:
  TrainResult result() {
    if (audit_ != nullptr) report_audit();
    result_.steps = cursor_.step;
    result_.tokens = cursor_.tokens;
    result_.evaluations = evaluations_;
    result_.stopped_early = stopped_early();
    return result_;
  }

  void report_audit() {
    result_.audit = audit_->report(&result_.audit_passed);
    if (audit_->anything_changed()) return;
    result_.audit["failures"].push_back("nothing was trained: every parameter has the bits that it had before");
    result_.audit["verdict"] = "failed";
    result_.audit_passed = false;
  }

  bool due(int64_t every) const { return every > 0 && cursor_.step > 0 && cursor_.step % every == 0; }
  /// The last step's evaluation is the caller's.
  bool evaluation_due() const { return due(job_.config.eval_steps) && cursor_.step < total_; }
  bool best_now() const { return job_.config.keep_best && evaluations_.best_step == cursor_.step; }
  bool stopped_early() const { return job_.config.early_stop > 0 && evaluations_.stale >= job_.config.early_stop; }
  bool save_due() const { return due(job_.config.save_steps) || cursor_.step == total_ || best_now() || stopped_early(); }

  CheckpointState load(const Path& checkpoint) {
    CheckpointState state = load_checkpoint(checkpoint, job_.identity, tensors());
    check_cursor(state.cursor, schedule_of(job_), checkpoint);
    if (forget_ != nullptr) {
      if (!state.cursor.forget) throw FormatError((checkpoint / "state.json").string() + ": forget is missing");
      const StreamCursor& at = *state.cursor.forget;
      check_cursor({state.cursor.step, at.epoch, at.batch}, forget_->schedule(), checkpoint, "forget");
    }
    cursor_ = state.cursor;
    phase_ = state.phase;
    if (phase_ >= static_cast<int64_t>(phases_.size()) || phase_begin() > cursor_.step)
      throw FormatError((checkpoint / "state.json").string() + ": phase " + std::to_string(phase_) + " has not begun at step " +
                        std::to_string(cursor_.step));
    optimizer_.set_steps_done(cursor_.step - phase_begin());
    return state;
  }

  StateTensors tensors() {
    StateTensors all{*job_.adapters, optimizer_, audit_.get(), job_.load, hooks_->state()};
    if (prototypes_ != nullptr) all.method.emplace_back("prototypes", prototypes_->values());
    return all;
  }

  /// Of the model before the first step, whose adapters change nothing yet.
  void take_prototypes() {
    const auto take = [this](const Schedule& s, Prototypes::Stream stream) {
      return prototypes_->take(*job_.decoder, *s.data, epoch_batches(*s.data, s.packing, s.seed, 0), hooks_->prototype_rows(), stream);
    };
    if (!take(stream_.schedule(), Prototypes::keep) || !take(forget_->schedule(), Prototypes::forget)) stop_now();
  }

  /// The first step of the phase that runs.
  int64_t phase_begin() const { return std::accumulate(phases_.begin(), phases_.begin() + phase_, int64_t{0}); }
  int64_t phase_steps() const { return phases_[static_cast<size_t>(phase_)]; }

  void begin_phases() {
    if (cursor_.step == 0 && phase_ == 0 && !begun_) hooks_->begin_phase(0);
    begun_ = true;
    while (phase_ + 1 < static_cast<int64_t>(phases_.size()) && cursor_.step >= phase_begin() + phase_steps()) {
      hooks_->begin_phase(static_cast<size_t>(++phase_));
      optimizer_.reset();
    }
  }

  /// Phases are shares of the whole: a longer run would have had them elsewhere.
  void refuse_other_phases(const CheckpointState& state) const {
    if (state.length.total == total_ || phases_.size() == 1) return;
    throw StateError(job_.resume.string() + ": the run has " + std::to_string(state.length.total) + " steps in the checkpoint, now " +
                     std::to_string(total_) + "; with adapter.method " + std::string(job_.adapters->method().name) +
                     ", whose phases are shares of a run, it stays as long as it was");
  }

  void resume() {
    const CheckpointState state = load(job_.resume);
    refuse_shorter(state, length_, job_.resume);
    refuse_other_phases(state);
    tell_longer(state, length_, job_.config);
    if (state.evaluations.data == job_.evaluation_data) {
      evaluations_ = state.evaluations;
    } else if (state.evaluations.step > 0 && (job_.config.keep_best || job_.config.early_stop > 0)) {
      log_warn("other evaluation data than before: train.keep_best and train.early_stop begin anew");
    }
  }

  void save() {
    saved_at_ = cursor_.step;
    if (job_.run_dir.empty()) return;
    save_checkpoint(job_.run_dir, {cursor_, length_, evaluations_, job_.identity, phase_}, tensors(), job_.write_adapter);
    prune();
  }

  void prune() const {
    const TrainConfig& config = job_.config;
    if (job_.run_dir.empty() || (config.save_total_limit == 0 && !config.keep_best)) return;
    prune_checkpoints(job_.run_dir, {config.save_total_limit, config.save_steps, config.keep_best ? evaluations_.best_step : 0});
  }

  void evaluate() {
    if (!job_.evaluate) return note_evaluation(std::nullopt);
    const LossSum sum = job_.evaluate(*job_.decoder);
    if (interrupt_requested()) stop_now();
    const double loss = finite(sum.sum / static_cast<double>(sum.count), "the evaluation loss after step " + std::to_string(cursor_.step));
    note_evaluation(loss);
    if (job_.evaluated) job_.evaluated(cursor_.step, loss);
    evaluations_.data = job_.evaluation_data;
    evaluations_.take(cursor_.step, loss);
  }

  [[noreturn]] void stop_now() {
    if (saved_at_ != cursor_.step && cursor_.step > 0) save();
    throw Interrupted("stopped after step " + std::to_string(cursor_.step) +
                      (job_.resume_command.empty() ? std::string() : "; continue with: " + job_.resume_command));
  }

  /// The micro-batches of the next step; moves `next` past them.
  StepBatches step_batches(Cursor& next) {
    return {stream_.next(&next.epoch, &next.batch), forget_ != nullptr ? forget_->next(&*next.forget) : std::vector<PackedBatch>()};
  }

  /// False when the user interrupted: the open step is dropped.
  bool one_step() {
    const auto start = Clock::now();
    Cursor next = cursor_;
    const StepBatches batches = step_batches(next);
    StepTotals totals;
    if (!add_gradient(batches, totals, true) || interrupt_requested()) return false;
    const auto optimizer_start = Clock::now();
    const int64_t step = cursor_.step - phase_begin();  // of the phase
    const double lr = learning_rate(job_.config, step, phase_steps()) * hooks_->rate(static_cast<size_t>(phase_));
    totals.regulariser = hooks_->regularise(step);
    hooks_->after_backward([&] {  // of batches that were seen before, at other parameters; nobody watches
      StepTotals unused;
      add_gradient(batches, unused, false);
    });
    const double loss = totals.loss_sum / static_cast<double>(totals.supervised), norm = optimizer_.grad_norm();
    refuse_non_finite(loss, norm, totals.forget);
    if (audit_ != nullptr) audit_->after_backward(lr);
    if (job_.load != nullptr) job_.load->end_step(totals.tokens);
    if (!hooks_->clip(job_.config.max_grad_norm)) optimizer_.clip(norm);
    optimizer_.step(lr);
    hooks_->after_step(step, phase_steps(), lr);
    totals.optimizer_seconds = seconds_since(optimizer_start);
    next.step = cursor_.step + 1;
    next.tokens = cursor_.tokens + totals.tokens;
    cursor_ = next;
    report(totals, loss, lr, norm, seconds_since(start));
    return true;
  }

  /// The gradient of a step, without regularisers; false when the user interrupted, who is not asked where nobody watches.
  bool add_gradient(const StepBatches& batches, StepTotals& totals, bool watched) {
    for (const PackedBatch& batch : batches.train) {
      totals.supervised += batch.supervised;
      if (prototypes_ != nullptr) totals.rows += Prototypes::rows(batch);
    }
    optimizer_.zero_grad();
    for (size_t micro = 0; micro < batches.train.size(); ++micro) {
      if (watched && interrupt_requested()) return false;
      micro_step(batches.train[micro], static_cast<int64_t>(micro), static_cast<int64_t>(batches.train.size()), totals, watched);
    }
    return forget_ == nullptr || forget_->add_gradient(batches.forget, *hooks_, cursor_.step, !watched, &totals.forget);
  }

  void refuse_non_finite(double loss, double norm, const StreamTerms& forget) const {
    const bool forgets = std::isfinite(forget.loss) && std::isfinite(forget.drift);
    if (std::isfinite(loss) && std::isfinite(norm) && forgets) return;
    const Path last = job_.run_dir.empty() ? Path() : find_checkpoint(job_.run_dir);
    throw CheckFailed("step " + std::to_string(cursor_.step + 1) + ": loss " + fixed(loss, 4) + ", gradient norm " + fixed(norm, 4) +
                      (forgets ? "" : ", loss on data.forget " + fixed(forget.loss, 4)) + " is not finite; the step was not applied" +
                      (last.empty() ? "" : "; last good checkpoint: " + last.string()) + "; a lower train.lr may help");
  }

  void micro_step(const PackedBatch& packed, int64_t micro, int64_t micros, StepTotals& totals, bool watched) {
    const auto start = Clock::now();
    Forward forward;
    forward.context = {true, job_.adapters->config().dropout, job_.seed, job_.phase, cursor_.step, micro};
    if (watched) forward.observers = job_.observers;
    forward.recompute = job_.config.gradient_checkpointing;
    RoutingCollector routing;
    if (job_.config.router_aux_loss > 0) forward.observers.push_back(&routing);
    const Reach reach = find_reach(packed);
    if (audit_ != nullptr && watched) {
      audit_->begin_micro_batch(reach);
      forward.observers.push_back(audit_.get());
    }
    if (job_.load != nullptr && watched) forward.observers.push_back(job_.load);
    if (job_.before_batch && watched) job_.before_batch(packed);

    const Supervised rows = supervised_rows(packed.targets);
    if (rows.row_N.size(0) < static_cast<int64_t>(packed.ids.size())) forward.needed_N = rows.row_N;
    const Tensor h = job_.decoder->hidden(to_batch(packed), forward);
    totals.forward_seconds += seconds_since(start);
    const auto backward_start = Clock::now();
    Tensor dh;
    const LossSum loss = backward_loss(*job_.decoder, h, rows, 1.0 / static_cast<double>(totals.supervised), forward.context, &dh);
    if (prototypes_ != nullptr) {
      const double scale = hooks_->drift_weight() / static_cast<double>(std::max<int64_t>(1, totals.rows));
      totals.drift_sum += prototypes_->drift(*job_.decoder, h, packed, Prototypes::keep, scale, &dh);
    }
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
    if (totals.regulariser != 0) line["regulariser"] = totals.regulariser;
    if (forget_ != nullptr) line["forget_loss"] = totals.forget.loss;
    if (prototypes_ != nullptr) {
      line["drift"] = totals.drift_sum / static_cast<double>(std::max<int64_t>(1, totals.rows));
      line["forget_drift"] = totals.forget.drift;
    }
    for (const auto& [name, count] : hooks_->counts()) line[name] = count;
    line["seconds"] = {{"step", seconds},
                       {"forward", totals.forward_seconds},
                       {"backward", totals.backward_seconds},
                       {"optimizer", totals.optimizer_seconds}};
    metrics_->train_line(line);
    if (!job_.progress) return;
    ++steps_here_;
    const double left = result_.seconds / static_cast<double>(steps_here_) * static_cast<double>(total_ - cursor_.step);
    job_.progress({cursor_.step, total_, loss, lr, norm, rate, left, resident_bytes(), seconds, totals.forward_seconds,
                   totals.backward_seconds, totals.optimizer_seconds, totals.tokens});
  }

  const TrainJob& job_;
  AdamW optimizer_;
  std::unique_ptr<StepHooks> hooks_;
  Length length_;
  int64_t total_ = 0, steps_here_ = 0, saved_at_ = 0;
  std::vector<int64_t> phases_;  // lengths
  int64_t phase_ = 0;            // the one that runs; its begin_phase has been called
  bool begun_ = false;
  std::unique_ptr<Audit> audit_;
  std::unique_ptr<Metrics> metrics_;
  Cursor cursor_;
  Evaluations evaluations_;
  TrainResult result_;
  BatchStream stream_;
  std::unique_ptr<Prototypes> prototypes_;  // null: the method asks for none
  std::unique_ptr<Forget> forget_;          // null: it has no second stream
};

Schedule schedule_of(const TrainJob& job) { return {job.data, job.packing, job.seed, job.config.grad_accumulation}; }

int64_t total_steps(const TrainJob& job) { return run_length(schedule_of(job), job.config).total; }

Trainer::Trainer(const TrainJob& job) : loop_(std::make_unique<Loop>(job)) {}
Trainer::~Trainer() = default;
TrainResult Trainer::run() { return loop_->run(); }
void Trainer::note_evaluation(std::optional<double> loss) { loop_->note_evaluation(loss); }
TrainResult Trainer::go_back(const Path& checkpoint) { return loop_->go_back(checkpoint); }

TrainResult train(const TrainJob& job) { return Trainer(job).run(); }

}  // namespace hellora
