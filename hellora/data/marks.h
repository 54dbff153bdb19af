// Marks by which other tools take a turn, or a record, out of the loss.
#pragma once

#include <optional>
#include <string>

#include "hellora/core/json.h"
#include "hellora/data/conversation.h"

namespace hellora {

/// True for `train`, `training`, `trainable`, `loss`, `loss_mask`, `loss_weight`, `loss_scale`, `weight`, `masked`.
bool is_mark(std::string_view key);
/// What the marks of a turn or record say, nothing without one: false when any of them takes it out (0 or false; of `masked` 1 or true).
/// FormatError 'WHERE: "KEY" must be 0 or 1 …' for other values: a share of a loss is not supported.
std::optional<bool> learned_mark(const Json& object, const std::string& where);
/// Turns are learned unless a mark says otherwise.
bool is_trained(const Json& message, const std::string& where);

/// Marks that a record has for all of its turns: one for all of them, or a list with one for each message or for each turn of the
/// assistant. They are written into the messages, as `train`. FormatError for lists of another length.
void apply_record_marks(const Json& record, Conversation& conversation, const std::string& where);

}  // namespace hellora
