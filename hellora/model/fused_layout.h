// PEFT's target_parameters layout on fused experts (PEFT 0.19 and later, transformers 5): its names, and cutting its pairs into
// the experts'. E experts, R rank: lora_A (R·E, in) has row e·R + j for expert e and rank j; lora_B (out, R·E) has column j·E + e.
// Gate and up share one parameter, (2F, D) for each expert: gate's rows first.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hellora/model/arch.h"
#include "hellora/tensor/torch.h"

namespace hellora {

/// The router's module in the fused layout.
std::string fused_router_path(const Arch& arch, int64_t layer);

/// Module paths under which a layer's pairs stand: gate_up is the inner wrapper where both parameters are adapted.
struct FusedKeys {
  std::string gate_up, down;
};
FusedKeys fused_keys(const Arch& arch, int64_t layer, bool both);

/// "mlp.experts.gate_up_proj": the parameter without its layer, as target_parameters names it.
std::string fused_parameter(std::string_view pattern);

/// The pairs of all experts: (E, R, in) and (E, out, R).
struct ExpertPairs {
  Tensor a_ERI, b_EOR;
};
/// From the file's order, and back. FormatError (with `where`) when the rows or columns are no multiple of the experts, or the
/// two do not fit together.
ExpertPairs expert_pairs(const Tensor& a_NI, const Tensor& b_ON, int64_t experts, const std::string& where);
std::pair<Tensor, Tensor> file_order(const ExpertPairs& pairs);

/// The ranks of one expert's pair that do something: those whose column of B is not all zero. A sum over them alone is the same.
std::vector<int64_t> live_ranks(const Tensor& b_OR);

}  // namespace hellora
