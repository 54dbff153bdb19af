// Writing model directories: new weights in place of the base's, everything else as it was.
#pragma once

#include <functional>

#include "hellora/adapters/adapter_set.h"
#include "hellora/model/weights.h"

namespace hellora {

/// Some rows of a stored tensor that belong to one parameter of the published layout, few enough to be worked on in memory.
struct Piece {
  std::string parameter;         // ".weight" or ".bias" included; empty when the tensor holds none
  int64_t first = 0, count = 0;  // elements of the tensor
  int64_t row = 0, width = 1;    // first row of the parameter, and elements of a row
  int64_t rows() const { return count / width; }
  /// The path of the module whose weight it is; empty for biases.
  std::string module() const;
};

/// Cuts a tensor of the file into pieces, in order and without gaps. Fused expert tensors hold several parameters.
std::vector<Piece> pieces_of(const ModelShape& shape, const std::string& name, const std::vector<int64_t>& sizes);

/// What a rewritten model holds in place of its source's values.
struct Rewrite {
  std::function<bool(const std::string& parameter)> wanted;
  /// New values of a wanted piece in fp32 or wider, from the source's (rows, width) in the file's dtype.
  std::function<Tensor(const Piece& piece, const Tensor& base)> values;
  bool fp32 = false;  // 16-bit tensors are written as fp32
};

/// Copies a model folder tensor by tensor; the output keeps the source's files, names and layout. Values are rounded to the
/// source's dtype. Files that belong to a model (model_files.h) are copied; config.json names the dtype that was written.
/// CheckFailed: a new value is not finite where the source's is.
void rewrite_model(const Checkpoint& source, const ModelShape& shape, const Path& out, const Rewrite& rewrite);

/// The model with every tensor that `adapters` (method full) trained; appears at `out` whole, in place of an older one.
void write_full_model(const Checkpoint& source, const ModelShape& shape, const AdapterSet& adapters, const Path& out);

/// Maps a tensor of the source to the parameters it holds, by their names in the published layout: visit(parameter, view of the
/// tensor). Fused expert tensors are cut into their experts. Returns false when the tensor holds none.
bool for_each_parameter(const ModelShape& shape, const std::string& name, const Tensor& tensor,
                        const std::function<void(const std::string& parameter, Tensor view)>& visit);

/// CheckFailed names the first row of `values` that is not finite where `base` is.
void require_finite(const Tensor& values, const Tensor& base, const Piece& piece, const std::string& where);

}  // namespace hellora
