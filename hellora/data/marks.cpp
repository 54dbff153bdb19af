#include "hellora/data/marks.h"

#include <array>

#include "hellora/core/error.h"

namespace hellora {
namespace {

struct Mark {
  std::string_view key;
  bool takes_out = false;  // what `true` means: left out
};
// OpenAI and Mistral weight; Axolotl train and training; ms-swift loss and loss_scale; ChatGLM loss_mask; torchtune masked.
constexpr std::array<Mark, 9> kMarks = {
    {{"train"}, {"training"}, {"trainable"}, {"loss"}, {"loss_mask"}, {"loss_weight"}, {"loss_scale"}, {"weight"}, {"masked", true}}};

const Mark* find_mark(std::string_view key) {
  for (const Mark& mark : kMarks) {
    if (mark.key == key) return &mark;
  }
  return nullptr;
}

bool read_mark(const Mark& mark, const Json& value, const std::string& where) {
  if (value.is_boolean()) return value.get<bool>() != mark.takes_out;
  if (value.is_number() && (value == 0 || value == 1)) return (value == 1) != mark.takes_out;
  throw FormatError(where + ": \"" + std::string(mark.key) + "\" must be 0 or 1, or true or false, found " +
                    (value.is_structured() ? value.type_name() : value.dump(-1, ' ', true, Json::error_handler_t::replace)) +
                    ": a turn is learned or not, with no weight between");
}

/// A list has an entry for each message of the record, or for each of the assistant's.
void apply_list(const Mark& mark, const Json& list, Conversation& conversation, const std::string& where) {
  size_t answers = 0;
  for (const Json& message : conversation.messages) answers += message["role"] == "assistant" ? 1 : 0;
  const bool each = list.size() == conversation.listed;
  if (!each && list.size() != answers) {
    throw FormatError(where + ": \"" + std::string(mark.key) + "\" has " + std::to_string(list.size()) + " entries; there are " +
                      std::to_string(conversation.listed) + " messages, " + std::to_string(answers) + " of them the assistant's");
  }
  size_t answer = 0;
  for (size_t i = 0; i < conversation.messages.size(); ++i) {
    Json& message = conversation.messages[i];
    const bool speaks = message["role"] == "assistant";
    const std::optional<size_t> number = each ? conversation.place_of(i) : speaks ? std::optional<size_t>(answer++) : std::nullopt;
    if (!number) continue;
    const size_t entry = *number;
    const std::string place = where + ": \"" + std::string(mark.key) + "\"[" + std::to_string(entry) + "]";
    const bool learned = read_mark(mark, list[entry], place);
    if (!learned || !speaks) message["train"] = learned;
  }
}

}  // namespace

bool is_mark(std::string_view key) { return find_mark(key) != nullptr; }

std::optional<bool> learned_mark(const Json& object, const std::string& where) {
  std::optional<bool> out;
  for (const auto& [key, value] : object.items()) {
    const Mark* mark = value.is_null() ? nullptr : find_mark(key);
    if (mark != nullptr) out = read_mark(*mark, value, where) && out.value_or(true);
  }
  return out;
}

bool is_trained(const Json& message, const std::string& where) { return learned_mark(message, where).value_or(true); }

void apply_record_marks(const Json& record, Conversation& conversation, const std::string& where) {
  for (const auto& [key, value] : record.items()) {
    const Mark* mark = find_mark(key);
    if (mark == nullptr || value.is_null()) continue;
    if (!value.is_array()) {
      if (read_mark(*mark, value, where)) continue;
      for (Json& message : conversation.messages) message["train"] = false;
      continue;
    }
    apply_list(*mark, value, conversation, where);
  }
}

}  // namespace hellora
