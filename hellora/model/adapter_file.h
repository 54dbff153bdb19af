// The pairs of an adapter_model.safetensors, for the modules of a model: PEFT's keys for one module each, and its fused expert
// parameters, which are cut into their experts.
#pragma once

#include <functional>

#include "hellora/io/safetensors.h"
#include "hellora/model/arch.h"
#include "hellora/model/peft_config.h"

namespace hellora {

/// PEFT's prefix of every key.
inline constexpr const char* kPeftPrefix = "base_model.model.";

/// The key of a method's tensor: what modules share lies beside the model, as PEFT has it.
std::string peft_key(const ParamSpec& spec);

/// One module's low-rank pair. `member` carries rank, alpha (never 0) and the module's published path.
struct FilePair {
  int64_t layer = -1;
  Slot slot = Slot::q;
  SiteMember member;
  std::function<std::pair<Tensor, Tensor>()> load;  // A (R, in) and B (out, R), in the file's dtype
};

/// "(8, 16)"
std::string sizes_text(const std::vector<int64_t>& sizes);

/// Every pair of the file, in no particular order. FormatError names the tensor: not LoRA, not of floating point, no module of this
/// model, half a pair, a rank other than adapter_config.json's, a shape that does not fit. The file must outlive the result.
std::vector<FilePair> read_pairs(const SafetensorsFile& file, const ModelShape& shape, const PeftConfig& config);

}  // namespace hellora
