// Which slots a shape has, layer by layer, and how large each is: everything that counts, loads, writes or adapts weights walks these.
#pragma once

#include <span>
#include <utility>

#include "hellora/adapters/site.h"
#include "hellora/model/shape.h"

namespace hellora {

/// Slots of a decoder layer in their fixed order (the order of adapters, files and random numbers).
std::span<const Slot> layer_slots();

/// Whether the layer has this slot; for slots outside the layers `layer` is -1.
bool has_slot(const ModelShape& shape, Slot slot, int64_t layer);
/// Whether any layer has it.
bool has_slot(const ModelShape& shape, Slot slot);

/// (in, out) of a slot's linear map; vectors are (1, width).
std::pair<int64_t, int64_t> slot_sizes(const ModelShape& shape, Slot slot);

/// Calls visit(slot, layer) for every slot of the model, embedding first, head last.
template <class Visit>
void for_each_slot(const ModelShape& shape, const Visit& visit) {
  visit(Slot::embed, int64_t{-1});
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    for (const Slot slot : layer_slots()) {
      if (has_slot(shape, slot, layer)) visit(slot, layer);
    }
  }
  visit(Slot::final_norm, int64_t{-1});
  if (has_slot(shape, Slot::lm_head, -1)) visit(Slot::lm_head, int64_t{-1});
}

}  // namespace hellora
