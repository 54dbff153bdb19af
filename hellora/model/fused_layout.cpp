#include "hellora/model/fused_layout.h"

#include "hellora/core/error.h"

namespace hellora {

std::string fused_router_path(const Arch& arch, int64_t layer) {
  return arch.fused_router.empty() ? module_path(arch, Slot::router, layer) : fill_pattern(arch.fused_router, layer, -1);
}

FusedKeys fused_keys(const Arch& arch, int64_t layer, bool both) {
  const std::string parameter = fill_pattern(arch.fused_gate_up, layer, -1);
  const std::string experts = parameter.substr(0, parameter.rfind('.'));
  return {both ? experts + ".base_layer" : experts, experts};
}

std::string fused_parameter(std::string_view pattern) { return std::string(pattern.substr(pattern.find("{L}.") + 4)); }

ExpertPairs expert_pairs(const Tensor& a_NI, const Tensor& b_ON, int64_t experts, const std::string& where) {
  const int64_t rows = a_NI.size(0);
  if (rows % experts != 0 || rows == 0 || b_ON.size(1) != rows) {
    throw FormatError(where + ": lora_A has " + std::to_string(rows) + " rows, lora_B " + std::to_string(b_ON.size(1)) +
                      " columns; expected the rank times the model's " + std::to_string(experts) + " experts in both");
  }
  const int64_t rank = rows / experts;
  return {a_NI.reshape({experts, rank, a_NI.size(1)}), b_ON.reshape({b_ON.size(0), rank, experts}).permute({2, 0, 1})};
}

std::pair<Tensor, Tensor> file_order(const ExpertPairs& pairs) {
  const int64_t experts = pairs.a_ERI.size(0), rank = pairs.a_ERI.size(1);
  return {pairs.a_ERI.reshape({experts * rank, pairs.a_ERI.size(2)}).contiguous(),
          pairs.b_EOR.permute({1, 2, 0}).reshape({pairs.b_EOR.size(1), rank * experts}).contiguous()};
}

std::vector<int64_t> live_ranks(const Tensor& b_OR) {
  const Tensor live_R = at::ne(b_OR, 0).any(0);  // NaN is not 0
  std::vector<int64_t> out;
  for (int64_t r = 0; r < live_R.size(0); ++r) {
    if (live_R[r].item<bool>()) out.push_back(r);
  }
  return out;
}

}  // namespace hellora
