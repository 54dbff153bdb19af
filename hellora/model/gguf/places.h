// Where a GGUF file keeps each weight of a model: llama.cpp's names for our slots.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "hellora/adapters/site.h"
#include "hellora/io/gguf.h"
#include "hellora/model/shape.h"

namespace hellora {

/// One parameter of the published layout. A vector has one row.
struct GgufPlace {
  std::string parameter;               // the hub's name, ".weight" or ".bias" included
  std::vector<int64_t> sizes;          // the hub's
  const GgufTensor* tensor;            // that holds it
  int64_t first = 0;                   // its first element there
  int64_t rows = 0, width = 0;         // elements of a row follow each other
  int64_t paired_rows = 0;             // of a head whose rows are stored as pairs (2j, 2j + 1); 0: rows are in order
  const GgufTensor* values = nullptr;  // kv_b as two tensors: keys (heads, rank, nope) in `tensor`, values (heads, value, rank) here
};

/// Every parameter of the shape. FormatError names a tensor that is missing, has other sizes than the metadata ask for, or belongs
/// to no parameter.
std::vector<GgufPlace> gguf_places(const GgufFile& file, const ModelShape& shape, bool permuted);

}  // namespace hellora
