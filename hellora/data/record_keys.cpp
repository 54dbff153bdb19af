#include "hellora/data/record_keys.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>
#include <unordered_set>

#include "hellora/core/error.h"
#include "hellora/core/json_object.h"
#include "hellora/core/text.h"
#include "hellora/data/marks.h"

namespace hellora {
namespace {

// Where a rule holds: formats with an answer of their own, conversations among them, plain text, token ids.
enum Where : uint8_t { kText = 1, kAnswer = 2, kChat = 4, kIds = 8, kEverywhere = 15 };

constexpr std::string_view kPairs =
    "preference pairs are not supported: only one answer can be learned; remove the key, and leave the answer to be learned";
constexpr std::string_view kMedia = "only text can be trained on; remove the key if the record is complete without it";
constexpr std::string_view kNoPlace = "this format has no place for it, and the record would be learned without it";
constexpr std::string_view kPacked = "rows that were packed or padded elsewhere are read only with attention_mask";
constexpr std::string_view kToken = "marks for single tokens are read with input_ids only";

struct Refusal {
  std::string_view key;
  uint8_t formats;
  std::string_view why;
};
constexpr std::array<Refusal, 41> kRefusals = {{
    {"chosen", kEverywhere, kPairs},
    {"rejected", kEverywhere, kPairs},
    {"rejected_response", kEverywhere, kPairs},
    {"rejected_messages", kEverywhere, kPairs},
    {"rejected_answer", kEverywhere, kPairs},
    {"image", kEverywhere, kMedia},
    {"images", kEverywhere, kMedia},
    {"image_url", kEverywhere, kMedia},
    {"video", kEverywhere, kMedia},
    {"videos", kEverywhere, kMedia},
    {"audio", kEverywhere, kMedia},
    {"audios", kEverywhere, kMedia},
    {"pixel_values", kEverywhere, kMedia},
    {"documents", kChat, "a template would show them; put them into a message"},
    {"chat_template", kChat | kAnswer, "a template of a single record is not supported; set data.chat_template"},
    {"enable_thinking", kChat, "write \"chat_template_kwargs\": {\"enable_thinking\": …}"},
    {"functions", kChat | kAnswer, "this is the old form of \"tools\": [{\"type\": \"function\", \"function\": {…}}]"},
    {"system", kAnswer, "this format has no place for a system message; data.format=alpaca or messages has"},
    {"system_prompt", kAnswer, "this format has no place for a system message; data.format=alpaca or messages has"},
    {"system_message", kAnswer, "this format has no place for a system message; data.format=alpaca or messages has"},
    {"history", kAnswer, kNoPlace},
    {"tools", kAnswer, kNoPlace},
    {"choices", kAnswer, "multiple choice is not read: put the choices into the question, and the text of the right one into the answer"},
    {"train_on_inputs", kEverywhere, "set data.train_on=all for the whole run"},
    {"train_on_input", kEverywhere, "set data.train_on=all for the whole run"},
    {"train_on_prompt", kEverywhere, "set data.train_on=all for the whole run"},
    {"mask_history", kEverywhere, "set data.train_on=last-turn for the whole run"},
    {"mask_prompt", kText | kAnswer | kChat, "what is learned is said by data.train_on"},
    {"seq_lengths", kIds, kPacked},
    {"cu_seqlens", kIds, kPacked},
    {"cu_seq_lens_q", kIds, kPacked},
    {"sequence_id", kIds, kPacked},
    {"document_ids", kIds, kPacked},
    {"inputs_embeds", kIds, "only token ids are read"},
    {"prompt_input_ids", kIds, "put the prompt in front of \"input_ids\" and its length into \"prompt_length\""},
    {"decoder_input_ids", kIds, "only decoders are trained"},
    {"completion_mask", kText | kAnswer | kChat, kToken},
    {"assistant_masks", kText | kAnswer | kChat, kToken},
    {"assistant_mask", kText | kAnswer | kChat, kToken},
    {"train_detail", kEverywhere, "marks inside of a turn are not supported; \"train\" takes a whole turn"},
    {"training_detail", kEverywhere, "marks inside of a turn are not supported; \"train\" takes a whole turn"},
}};

// What people leave in: names, places, times, counts and grades of records, and texts that the format's keys were made from.
constexpr std::string_view kHarmless =
    "id _id ID Id idx index uid uuid guid hash key name title url link source sources src origin dataset dataset_name "
    "data_source subset split config version category categories task task_id task_type task_name type kind topic topics "
    "subject domain field tag tags keywords label lang language languages locale country difficulty level grade quality "
    "score scores rating ratings rank upvotes votes toxicity model model_name generator author user user_id annotator "
    "license meta metadata _metadata extra info notes comment comments date time timestamp created created_at created_utc "
    "updated_at conversation_id conversation_hash conv_id dialog_id message_id parent_id prompt_id question_id session_id "
    "thread_id turn turns num_turns n_turns length num_tokens n_tokens token_count tokens words chars text redacted "
    "openai_moderation detoxify_moderation moderation file_name filename path file repo row_id __index_level_0__ "
    "parallel_tool_calls tool_choice tools temperature reference special_tokens_mask";

const std::unordered_set<std::string>& harmless_keys() {
  static const std::unordered_set<std::string> keys = [] {
    const std::vector<std::string> words = split(kHarmless, ' ');
    return std::unordered_set<std::string>(words.begin(), words.end());
  }();
  return keys;
}

constexpr std::array<std::string_view, 9> kMarkWords = {"train", "loss",     "mask",   "unmask", "weight",
                                                        "learn", "supervis", "ignore", "exclude"};

/// The words of a name: parted by anything but letters and by capitals.
bool has_mark_word(std::string_view name) {
  std::string word;
  const auto is_one = [&] {
    return std::any_of(kMarkWords.begin(), kMarkWords.end(), [&](std::string_view m) { return word.starts_with(m); });
  };
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool upper = byte < 0x80 && std::isupper(byte) != 0, letter = byte < 0x80 && std::isalpha(byte) != 0;
    if ((upper || !letter) && is_one()) return true;
    if (upper || !letter) word.clear();
    if (letter) word += static_cast<char>(std::tolower(byte));
  }
  return is_one();
}

/// True for what a mark would hold: a flag, a number, a list of these.
bool could_mark(const Json& value) {
  if (value.is_array()) return !value.empty() && std::all_of(value.begin(), value.end(), could_mark);
  return value.is_boolean() || value.is_number();
}

[[noreturn]] void refuse(std::string_view key, std::string_view why, const std::string& where) {
  throw FormatError(where + ": \"" + std::string(key) + "\": " + std::string(why));
}

void refuse_unknown_mark(std::string_view key, const Json& value, const std::string& where) {
  if (could_mark(value) && has_mark_word(key))
    refuse(key, "it looks like a mark of what is learned, and hellora does not know it; \"train\": true or false is understood", where);
}

/// `mask` is the opposite of itself in different tools. NVIDIA NeMo names who is not learned.
void check_mask(const Json& value, const std::string& where) {
  for (const char* who : {"User", "user", "Human", "human", "System", "system"}) {
    if (value == who) return;
  }
  refuse("mask", "some tools learn what it marks and others leave that out; \"train\": true or false is understood", where);
}

uint8_t place_of(const RecordFormat& format) {
  if (format.shape == RecordShape::chat) return kChat;
  if (format.shape == RecordShape::ids) return kIds;
  return format.prompt.empty() ? kText : kAnswer;
}

const Refusal* find_refusal(std::string_view key) {
  static const std::unordered_map<std::string_view, const Refusal*> rules = [] {
    std::unordered_map<std::string_view, const Refusal*> out;
    for (const Refusal& one : kRefusals) out.emplace(one.key, &one);
    return out;
  }();
  const auto it = rules.find(key);
  return it == rules.end() ? nullptr : it->second;
}

/// A verdict on the answer, as KTO takes it; a class of a text is a number or a word.
bool is_verdict(std::string_view key, const Json& value, uint8_t place) {
  return (key == "label" || key == "kto_tag" || key == "kto_label") && value.is_boolean() && (place == kAnswer || place == kChat);
}

}  // namespace

void check_record_keys(const RecordFormat& format, const Json& record, const std::string& where, std::vector<std::string>& unread) {
  if (!record.is_object()) return;  // the format says it
  const uint8_t place = place_of(format);
  for (const auto& [key, value] : record.items()) {
    if (reads_key(format, key) || value.is_null()) continue;
    if (is_verdict(key, value, place)) refuse(key, "verdicts on an answer (KTO) are not supported, it would be learned in any case", where);
    const Refusal* refusal = find_refusal(key);
    if (refusal != nullptr && (refusal->formats & place) != 0) {
      if (is_inert(value)) continue;
      refuse(key, refusal->why, where);
    }
    if (key == "mask") {
      check_mask(value, where);
      continue;
    }
    if (is_mark(key) || refusal != nullptr || harmless_keys().contains(key)) continue;
    refuse_unknown_mark(key, value, where);
    if (!is_inert(value)) unread.push_back(key);
  }
}

void check_turn_keys(const Json& turn, const std::string& place) {
  for (const auto& [key, value] : turn.items()) {
    if (key == "role" || key == "content" || key == "from" || key == "value" || value.is_null() || is_mark(key)) continue;
    const Refusal* refusal = find_refusal(key);
    if (refusal != nullptr && (refusal->why == kMedia || key.ends_with("_detail")) && !is_inert(value)) refuse(key, refusal->why, place);
    if (key == "mask") check_mask(value, place);
    refuse_unknown_mark(key, value, place);
  }
}

std::string guess_record(const Json& record) {
  const auto any = [&](std::initializer_list<const char*> keys) {
    return std::any_of(keys.begin(), keys.end(), [&](const char* k) { return has(record, k); });
  };
  if (any({"chosen", "rejected", "rejected_response"}))
    return "this is a preference pair; those are not supported, only one answer can be learned";
  if (any({"choices", "options", "answerKey", "ctx", "endings", "sol1"}))
    return "this is multiple choice; put the choices into \"question\" and the text of the right one into \"answer\"";
  if (any({"query", "response", "responses"})) return "\"prompt\" and \"completion\" are the names for a question and its answer";
  if (any({"conversation", "dialog", "dialogue", "chat", "turns"})) return "\"messages\" is the name for a list of {role, content}";
  return "";
}

}  // namespace hellora
