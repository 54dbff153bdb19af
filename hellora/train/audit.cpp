#include "hellora/train/audit.h"

#include <cmath>

#include "hellora/adapters/step_hooks.h"
#include "hellora/core/error.h"
#include "hellora/core/rng.h"
#include "hellora/model/tensor_io.h"
#include "hellora/tensor/ordered_sum.h"

namespace hellora {
namespace {

constexpr int64_t kEnoughRows = 16;  // below this an exactly zero gradient can be chance

std::string name_of(const Site& site, size_t member) { return site.members[member].path + (is_bias_slot(site.slot) ? ".bias" : ""); }

/// ‖scale · B A‖ in the Frobenius norm without forming B A.
double low_rank_norm(const LowRank& part) {
  const Tensor a = part.A_RI.detach().to(at::kDouble), b = part.whole_B().detach().to(at::kDouble);
  const Tensor product = (at::matmul(b.t(), b) * at::matmul(a, a.t()).t()).contiguous();
  return part.scale * std::sqrt(std::max(0.0, ordered_sum(product)));
}

int64_t changed_elements(const Tensor& before, const Tensor& after) {
  return at::count_nonzero(before != after).item<int64_t>();  // exact: an integer count
}

/// Whether the rows of a slot matter only where they are supervised: the last layer, but for keys and values.
bool supervised_only(const Site& site, int64_t layers) {
  if (site.layer < 0) return site.slot != Slot::embed;
  constexpr Slot kFeedAttention[] = {Slot::k,    Slot::v,    Slot::k_norm,    Slot::k_bias,    Slot::v_bias,
                                     Slot::kv_a, Slot::kv_b, Slot::kv_a_norm, Slot::input_norm};
  const bool feeds_attention = std::find(std::begin(kFeedAttention), std::end(kFeedAttention), site.slot) != std::end(kFeedAttention);
  return site.layer == layers - 1 && !feeds_attention;
}

}  // namespace

uint64_t frozen_hash(const Decoder& decoder) {
  const ModelWeights& w = decoder.weights();
  uint64_t state = mix64(w.arena.hash(), mix64(tensor_hash(w.embed_VD), tensor_hash(w.final_norm_D)));
  for (const LayerWeights& layer : w.layers) {
    for (const Slot slot : layer_slots()) {
      if (layer.vector[slot].defined()) state = mix64(state, tensor_hash(layer.vector[slot]));
    }
  }
  return state;
}

uint64_t Audit::all_frozen() const { return mix64(frozen_hash(decoder_), tensor_hash(adapters_.flat_frozen())); }

Audit::Audit(const Decoder& decoder, const AdapterSet& adapters, const StepHooks* hooks)
    : decoder_(decoder), adapters_(adapters), hooks_(hooks), initial_(adapters.flat_param().clone()), frozen_hash_(all_frozen()) {
  int64_t members = 0;
  for (const Site& site : adapters.sites()) {
    member_begin_.push_back(members);
    members += static_cast<int64_t>(site.members.size());
  }
  rows_M = at::zeros({members}, at::TensorOptions(at::kLong));
  reach_M = at::zeros_like(rows_M);
  step_rows_M = at::zeros_like(rows_M);
  step_reach_M = at::zeros_like(rows_M);
  grad_sq_P = at::zeros({static_cast<int64_t>(adapters.specs().size())}, at::TensorOptions(at::kDouble));
}

void Audit::begin_micro_batch(const Reach& reach) {
  reach_ = &reach;
  int64_t* rows = step_rows_M.data_ptr<int64_t>();
  int64_t* reached = step_reach_M.data_ptr<int64_t>();
  for (size_t s = 0; s < adapters_.sites().size(); ++s) {
    const Site& site = adapters_.sites()[s];
    if (is_expert_slot(site.slot)) continue;
    rows[member_index(s, 0)] += static_cast<int64_t>(reach.reaches_T.size());
    reached[member_index(s, 0)] += supervised_only(site, decoder_.shape().layers) ? reach.supervised : reach.reaching;
  }
}

void Audit::on_route(int64_t layer, const Routing& routing) {
  const int64_t experts = decoder_.shape().experts, k = routing.ids_TK.size(1);
  std::vector<int64_t> rows(static_cast<size_t>(experts)), reached(rows);
  const auto& counts = layer == decoder_.shape().layers - 1 ? reach_->supervised_T : reach_->reaches_T;
  const bool supervised_rows_only = routing.ids_TK.size(0) < static_cast<int64_t>(counts.size());  // each of them reaches the loss
  const int64_t* ids = routing.ids_TK.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < routing.ids_TK.numel(); ++i) {
    ++rows[static_cast<size_t>(ids[i])];
    reached[static_cast<size_t>(ids[i])] += supervised_rows_only ? 1 : counts[static_cast<size_t>(i / k)];
  }
  for (size_t s = 0; s < adapters_.sites().size(); ++s) {
    const Site& site = adapters_.sites()[s];
    if (site.layer != layer || !is_expert_slot(site.slot)) continue;
    for (size_t m = 0; m < site.members.size(); ++m) {
      step_rows_M.data_ptr<int64_t>()[member_index(s, m)] += rows[static_cast<size_t>(site.members[m].expert)];
      step_reach_M.data_ptr<int64_t>()[member_index(s, m)] += reached[static_cast<size_t>(site.members[m].expert)];
    }
  }
}

void Audit::after_backward(double lr) {
  rows_M.add_(step_rows_M);  // only now: an interrupted step leaves no trace in a checkpoint
  step_rows_M.zero_();
  if (lr > 0) {
    reach_M.add_(step_reach_M);
    double* sums = grad_sq_P.data_ptr<double>();
    for (size_t p = 0; p < adapters_.specs().size(); ++p) {
      if (adapters_.trains(p)) sums[p] += ordered_square_sum(adapters_.grad(p));
    }
  }
  step_reach_M.zero_();
}

Json Audit::member_report(size_t site_index, size_t member, std::vector<std::string>* failures, std::vector<std::string>* warnings) const {
  const Site& site = adapters_.sites()[site_index];
  const std::string name = name_of(site, member);
  const int64_t rows = rows_M.const_data_ptr<int64_t>()[member_index(site_index, member)];
  const int64_t reach = reach_M.const_data_ptr<int64_t>()[member_index(site_index, member)];
  double grad_sq = 0;
  int64_t changed = 0, masked = 0, elements = 0;
  bool stuck = false, learns = false;  // a tensor that received gradient but kept every bit; one that the method does not mask whole
  for (size_t p = 0; p < adapters_.specs().size(); ++p) {
    if (!adapters_.trains(p) || !adapters_.specs()[p].belongs_to(site_index, member)) continue;
    const double own = grad_sq_P.const_data_ptr<double>()[p];
    const Tensor now = adapters_.param(p).detach();
    const Tensor before = initial_.narrow(0, now.storage_offset(), now.numel()).view(now.sizes());
    const int64_t moved = changed_elements(before, now), kept = hooks_ != nullptr ? hooks_->masked(p) : 0;
    const bool whole = kept == now.numel();
    grad_sq += own;
    changed += moved;
    masked += kept;
    elements += now.numel();
    learns |= !whole;
    stuck |= own > 0 && moved == 0 && !whole;
  }
  if (!learns && elements > 0) {
    warnings->push_back(name + ": all of its " + std::to_string(elements) + " elements are masked by the method");
  } else if (reach >= kEnoughRows) {
    if (!std::isfinite(grad_sq)) failures->push_back(name + ": gradient is not finite");
    if (grad_sq == 0) failures->push_back(name + ": " + std::to_string(reach) + " rows reached the loss but the gradient was exactly 0");
    if (changed == 0 || stuck) failures->push_back(name + ": received gradient but did not change");
  } else {
    warnings->push_back(name + ": only " + std::to_string(reach) + " rows reached the loss; too few to judge");
  }
  Json json{{"path", name}, {"layer", site.layer}, {"target", std::string(target_of(site.slot))}, {"expert", site.members[member].expert}};
  json["rows"] = rows;
  json["rows_reaching_loss"] = reach;
  json["grad_norm"] = std::sqrt(grad_sq);
  json["changed"] = changed;
  if (masked > 0) json["masked_by_method"] = masked;
  const Part part = adapters_.find(site.layer, site.slot)->part(member);
  if (const auto* low_rank = std::get_if<LowRank>(&part)) json["delta_norm"] = low_rank_norm(*low_rank);
  return json;
}

/// Tensors that all sites share: what reaches them cannot be counted by rows.
void Audit::judge_shared(std::vector<std::string>* failures, std::vector<std::string>* warnings) const {
  for (size_t p = 0; p < adapters_.specs().size(); ++p) {
    const ParamSpec& spec = adapters_.specs()[p];
    if (!adapters_.trains(p) || spec.place) continue;
    const double grad_sq = grad_sq_P.const_data_ptr<double>()[p];
    const Tensor now = adapters_.param(p).detach();
    if (!std::isfinite(grad_sq)) failures->push_back(spec.name + ": gradient is not finite");
    if (grad_sq == 0) warnings->push_back(spec.name + ": shared by all sites, and received no gradient");
    if (grad_sq > 0 && changed_elements(initial_.narrow(0, now.storage_offset(), now.numel()).view(now.sizes()), now) == 0)
      failures->push_back(spec.name + ": received gradient but did not change");
  }
}

Json Audit::report(bool* passed) const {
  std::vector<std::string> failures, warnings;
  judge_shared(&failures, &warnings);
  Json sites = Json::array();
  for (size_t s = 0; s < adapters_.sites().size(); ++s) {
    for (size_t m = 0; m < adapters_.sites()[s].members.size(); ++m) sites.push_back(member_report(s, m, &failures, &warnings));
  }
  const bool unchanged = all_frozen() == frozen_hash_;
  if (!unchanged) failures.emplace_back("a frozen weight changed during training");
  *passed = failures.empty();
  Json json{{"format", "hellora.audit/1"}, {"verdict", *passed ? "passed" : "failed"}, {"failures", failures}, {"warnings", warnings}};
  json["frozen_unchanged"] = unchanged;
  json["sites"] = std::move(sites);
  return json;
}

bool Audit::anything_changed() const { return changed_elements(initial_, adapters_.flat_param().detach()) > 0; }

std::vector<Tensor> Audit::state() const { return {rows_M, reach_M, grad_sq_P}; }

void Audit::load_state(const std::vector<Tensor>& state) {
  HELLORA_CHECK(state.size() == 3, "audit state has three tensors");
  rows_M.copy_(state[0]);
  reach_M.copy_(state[1]);
  grad_sq_P.copy_(state[2]);
}

}  // namespace hellora
