// Merging: the base with every weight change added, tensor by tensor, and the proof that nothing was dropped.
#pragma once

#include "hellora/export/modules.h"
#include "hellora/io/checkpoint.h"

namespace hellora {

/// Writes the model folder `out`: round(fp32(W) + ΔW) where adapted, the source's bytes elsewhere. `fp32` keeps the sum.
/// StateError, and nothing is written, when a module of the adapter has no tensor in the model, or when it is an embedding that
/// the head is tied to. CheckFailed when a sum is not finite where the base is.
void merge_model(const Checkpoint& source, const ModelShape& shape, const AdapterSet& adapters, const Path& out, bool fp32);

/// What a comparison of a merged folder with base and adapter found.
struct MergeReport {
  int64_t modules = 0, tensors = 0;  // adapted modules found, tensors compared
  int64_t wrong_bytes = 0;           // elements that are not round(fp32(W) + ΔW), or not the source's
  std::string first_wrong;           // tensor, and the row where it differs
  double rounding_loss = 0;          // ‖round(W+ΔW) − W − ΔW‖ / ‖ΔW‖ over all adapted modules
  double largest_loss = 0;           // of one module
  std::string largest_where;
  bool passed() const { return wrong_bytes == 0 && first_wrong.empty(); }
};

/// Compares every element, piece by piece. What nobody adapts must have the source's bits; a NaN is right only where the source
/// has one, and an infinity likewise.
MergeReport check_merged(const Checkpoint& source, const ModelShape& shape, const AdapterSet& adapters, const Checkpoint& merged);

}  // namespace hellora
