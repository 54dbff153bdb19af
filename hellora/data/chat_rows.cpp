#include "hellora/data/chat_rows.h"

#include "hellora/core/error.h"

namespace hellora {
namespace {

/// Renders prefixes of one conversation, errors with the record's place in front.
struct Renderer {
  const ChatTemplate& chat;
  const Conversation& conversation;
  const std::string& where;

  Rendered operator()(size_t count, bool prompt) const {
    Json some;
    if (count < conversation.messages.size()) {
      some = Json::array();
      for (size_t i = 0; i < count; ++i) some.push_back(conversation.messages[i]);
    }
    const Json& messages = some.is_null() ? conversation.messages : some;
    ChatOptions options;
    options.add_generation_prompt = prompt;
    try {
      return chat.render(messages, conversation.tools, options);
    } catch (const Error& error) {
      throw DataError(where + ": " + error.what());
    }
  }
};

/// Indices of the assistant messages that are learned.
std::vector<size_t> learned_turns(const Conversation& conversation, const std::string& train_on, const std::string& where) {
  std::vector<size_t> turns;
  for (size_t i = 0; i < conversation.messages.size(); ++i) {
    if (conversation.messages[i]["role"] == "assistant") turns.push_back(i);
  }
  if (train_on == "completion") std::erase_if(turns, [&](size_t i) { return i < conversation.prompt; });
  if (train_on == "last-turn" && !turns.empty()) turns.erase(turns.begin(), turns.end() - 1);
  std::erase_if(turns, [&](size_t i) { return !is_trained(conversation.messages[i], where); });
  return turns;
}

size_t assistant_turns(const Conversation& conversation) {
  size_t count = 0;
  for (const Json& message : conversation.messages) count += message["role"] == "assistant" ? 1 : 0;
  return count;
}

/// What turn `i` adds to its own prompt, and the text that it ends.
struct Turn {
  std::string text;
  TextSpan span;
};

/// `whole` is the text of all messages.
Turn turn_of(const Renderer& render, const std::string& whole, size_t i) {
  const std::string prompt = render(i, true).text;
  std::string text = i + 1 == render.conversation.messages.size() ? whole : render(i + 1, false).text;
  if (!text.starts_with(prompt)) {
    throw DataError(message_place(render.conversation, i, render.where) + ": the template " + render.chat.where() +
                    " writes this turn otherwise than it begins it (its generation prompt is no prefix): mark it with {% generation %}");
  }
  const TextSpan span{prompt.size(), text.size()};
  return {std::move(text), span};
}

/// Spans of the learned turns by generation blocks: one block per assistant message.
std::vector<TextSpan> marked_spans(const Rendered& whole, const Conversation& conversation, const std::vector<size_t>& learned,
                                   const std::string& where) {
  const size_t turns = assistant_turns(conversation);
  if (learned.size() == turns) return whole.generated;
  if (whole.generated.size() != turns) {
    throw DataError(where + ": the template marks " + std::to_string(whole.generated.size()) + " generated parts for " +
                    std::to_string(turns) + " assistant turns: only data.train_on=all-turns is possible");
  }
  std::vector<TextSpan> spans;
  size_t turn = 0, next = 0;
  for (size_t i = 0; i < conversation.messages.size() && next < learned.size(); ++i) {
    if (conversation.messages[i]["role"] != "assistant") continue;
    if (i == learned[next]) {
      spans.push_back(whole.generated[turn]);
      ++next;
    }
    ++turn;
  }
  return spans;
}

}  // namespace

std::vector<TokenRow> chat_rows(const ChatTemplate& chat, const Tokenizer& tokenizer, const Conversation& conversation,
                                const std::string& train_on, const std::string& where) {
  const Renderer render{chat, conversation, where};
  const Rendered whole = render(conversation.messages.size(), false);
  if (train_on == "all") {
    const TextSpan everything{0, whole.text.size()};
    return {label_spans(tokenizer, whole.text, {&everything, 1})};
  }
  const std::vector<size_t> learned = learned_turns(conversation, train_on, where);
  if (chat.marks_generation(!conversation.tools.is_null())) {
    return {label_spans(tokenizer, whole.text, marked_spans(whole, conversation, learned, where))};
  }
  std::vector<Turn> turns;
  std::vector<TextSpan> spans;
  bool consistent = true;
  for (const size_t i : learned) {
    turns.push_back(turn_of(render, whole.text, i));
    spans.push_back(turns.back().span);
    consistent = consistent && whole.text.starts_with(turns.back().text);
  }
  if (consistent) return {label_spans(tokenizer, whole.text, spans)};
  std::vector<TokenRow> rows;
  rows.reserve(turns.size());
  for (Turn& turn : turns) rows.push_back(label_spans(tokenizer, std::move(turn.text), {&turn.span, 1}));
  return rows;
}

}  // namespace hellora
