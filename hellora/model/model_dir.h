// Writing model directories: trained weights in place of the base's, everything else as it was.
#pragma once

#include <functional>

#include "hellora/adapters/adapter_set.h"
#include "hellora/model/weights.h"

namespace hellora {

/// A replacement for the tensor `name` of the source (fp32, source's shape), or an undefined tensor to keep it.
using Replace = std::function<Tensor(const std::string& name, const TensorInfo& info)>;

/// Copies a model folder tensor by tensor through `replace`; the output keeps the source's files, names and layout.
/// Tensors are written in the source's dtype, or as fp32 where `fp32`. Other files (tokenizer, configs) are copied;
/// config.json names the dtype that was written.
void rewrite_model(const Checkpoint& source, const Path& out, bool fp32, const Replace& replace);

/// The model with every tensor that `adapters` (method full) trained.
void write_full_model(const Checkpoint& source, const ModelShape& shape, const AdapterSet& adapters, const Path& out);

/// Maps a tensor of the source to the parameters it holds, by their names in the published layout: visit(parameter, view of the
/// tensor). Fused expert tensors are cut into their experts. Returns false when the tensor holds none.
bool for_each_parameter(const ModelShape& shape, const std::string& name, const Tensor& tensor,
                        const std::function<void(const std::string& parameter, Tensor view)>& visit);

/// The same for weights only, by the path of their module.
bool for_each_module(const ModelShape& shape, const std::string& name, const Tensor& tensor,
                     const std::function<void(const std::string& path, Tensor view)>& visit);

}  // namespace hellora
