// Weights as they lie in the files of a checkpoint: which run of which tensor each one is, read piece by piece, so that nothing
// larger than a piece has to be in memory.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hellora/io/checkpoint.h"
#include "hellora/model/arch.h"
#include "hellora/tensor/torch.h"

namespace hellora {

/// One weight of the published layout.
struct StoredWeight {
  Slot slot = Slot::embed;
  int64_t layer = -1, expert = -1;
  std::string tensor;  // of the file; with fused experts several weights lie in one
  int64_t first = 0;   // its first element there
  std::vector<int64_t> shape;
  int64_t count() const;
};

/// Every weight in the loader's order; a tied head is the embedding's tensor once more. Layers hold experts one by one or fused,
/// decided by which keys are present, never by shapes. FormatError: a tensor is missing, has the wrong shape, is not of
/// floating point, or belongs to no weight.
std::vector<StoredWeight> stored_weights(const Checkpoint& checkpoint, const ModelShape& shape);

/// The weight of this name ("….gate_proj.weight"), fused or not; nothing when the file has none. Shapes are not looked at.
std::optional<StoredWeight> find_stored(const Checkpoint& checkpoint, const ModelShape& shape, const std::string& name);

/// Elements [first, first + count) of a tensor, copied, 1-D, in the dtype of the file.
Tensor read_elements(const Checkpoint& checkpoint, const std::string& name, int64_t first, int64_t count);
/// Their bytes in the map.
std::span<const std::byte> element_bytes(const Checkpoint& checkpoint, const std::string& name, int64_t first, int64_t count);
/// Their pages are no longer needed.
void drop_elements(const Checkpoint& checkpoint, const std::string& name, int64_t first, int64_t count);

/// How many elements are worked on at a time where a tensor is read in pieces.
inline constexpr int64_t kPiece = int64_t{1} << 21;

/// Hash of a weight's shape and values, rounded to bf16 with one form of NaN: the same for any storage and any pieces.
/// `read` gives elements [first, first + count) as a 1-D tensor of any floating dtype.
uint64_t values_hash(const std::vector<int64_t>& shape, const std::function<Tensor(int64_t first, int64_t count)>& read);

/// What load_weights gives as ModelWeights::content, without loading: pieces are read and their pages dropped.
uint64_t content_hash(const Checkpoint& checkpoint, const ModelShape& shape);

/// Identity of a model: its shape and the hash of its weights.
std::string model_hash(const ModelShape& shape, uint64_t content);

}  // namespace hellora
