// A checkpoint as a map from names to tensors, to be changed and written again.
#pragma once

#include <map>

#include "hellora/io/checkpoint.h"
#include "hellora/model/arch.h"
#include "hellora/model/tensor_io.h"

namespace hellora::testing {

using TensorMap = std::map<std::string, Tensor>;

inline TensorMap tensors_of(const Path& folder) {
  const Checkpoint checkpoint(folder);
  TensorMap tensors;
  for (const std::string& name : checkpoint.names()) tensors[name] = read_tensor(checkpoint.info(name), checkpoint.bytes(name));
  return tensors;
}

inline void write_tensors(const Path& file, const TensorMap& tensors) {
  std::vector<TensorBytes> bytes;
  for (const auto& [name, tensor] : tensors) bytes.push_back(tensor_bytes(name, tensor));
  write_safetensors(file, std::move(bytes), {{"format", "pt"}});
}

/// Puts the experts of every layer into the family's fused tensors.
inline void fuse_experts(TensorMap& tensors, const ModelShape& shape) {
  const Arch& arch = find_arch(shape.arch, "test");
  for (const int64_t layer : routed_layers(shape)) {
    std::vector<Tensor> gate_up, down;
    if (!arch.fused_router.empty()) {
      tensors[fill_pattern(arch.fused_router, layer, -1) + ".weight"] = tensors.extract(parameter_name(arch, Slot::router, layer)).mapped();
    }
    for (int64_t e = 0; e < shape.experts; ++e) {
      const auto take = [&](Slot slot) { return tensors.extract(module_path(arch, slot, layer, e) + ".weight").mapped(); };
      const Tensor gate = take(Slot::gate);
      gate_up.push_back(at::cat({gate, take(Slot::up)}));
      down.push_back(take(Slot::down));
    }
    tensors[fill_pattern(arch.fused_gate_up, layer, -1)] = at::stack(gate_up);
    tensors[fill_pattern(arch.fused_down, layer, -1)] = at::stack(down);
  }
}

}  // namespace hellora::testing
