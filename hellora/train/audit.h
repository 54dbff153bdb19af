// The audit: proof that every adapter that could learn did, and that nothing frozen moved.
#pragma once

#include "hellora/core/json.h"
#include "hellora/model/decoder.h"
#include "hellora/train/reach.h"

namespace hellora {

/// Counts rows through the routing it observes and gradients through the flat state.
class Audit : public Observer {
 public:
  /// `hooks` say what the method keeps from learning; null: nothing.
  Audit(const Decoder& decoder, const AdapterSet& adapters, const StepHooks* hooks = nullptr);

  void begin_micro_batch(const Reach& reach);  // before each forward pass
  void on_route(int64_t layer, const Routing& routing) override;
  bool watches_all_rows() const override { return false; }
  void after_backward(double lr);  // once per step, on the summed gradient, before clipping

  /// The verdict: {verdict, failures[], warnings[], sites[]}. `passed` is false when a member with at least 16 reaching
  /// rows got no gradient, a non-finite one, or did not change, or when a frozen tensor changed.
  Json report(bool* passed) const;

  /// Whether any parameter has other bits than before the first step.
  bool anything_changed() const;

  // Accumulators, for checkpoints.
  std::vector<Tensor> state() const;
  void load_state(const std::vector<Tensor>& state);

 private:
  int64_t member_index(size_t site, size_t member) const { return member_begin_[site] + static_cast<int64_t>(member); }
  uint64_t all_frozen() const;
  void judge_shared(std::vector<std::string>* failures, std::vector<std::string>* warnings) const;
  Json member_report(size_t site, size_t member, std::vector<std::string>* failures, std::vector<std::string>* warnings) const;

  const Decoder& decoder_;
  const AdapterSet& adapters_;
  const StepHooks* hooks_;
  Tensor initial_;                     // flat parameters at the start
  uint64_t frozen_hash_;               // of the base and of the adapter's own frozen tensors
  std::vector<int64_t> member_begin_;  // index of each site's first member
  Tensor rows_M, reach_M;              // int64, per member; reach counts only steps with lr > 0
  Tensor step_rows_M, step_reach_M;    // of the open step
  Tensor grad_sq_P;                    // fp64, per parameter
  const Reach* reach_ = nullptr;
};

/// Hash of all frozen weights in memory.
uint64_t frozen_hash(const Decoder& decoder);

}  // namespace hellora
