#include "hellora/data/chat_rows.h"

#include "hellora/core/error.h"
#include "hellora/data/marks.h"
#include "hellora/data/template_fit.h"

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
    options.variables = conversation.variables;
    try {
      return chat.render(messages, conversation.tools, options);
    } catch (const Error& error) {
      throw DataError(where + ": " + error.what());
    }
  }
};

/// Indices of the assistant's messages.
std::vector<size_t> answers_of(const Conversation& conversation) {
  std::vector<size_t> turns;
  for (size_t i = 0; i < conversation.messages.size(); ++i) {
    if (conversation.messages[i]["role"] == "assistant") turns.push_back(i);
  }
  return turns;
}

/// Those that are learned. A mark on another's turn that wants it learned is refused: only `all` does that.
std::vector<size_t> learned_turns(const Conversation& conversation, const std::string& train_on, const std::string& where) {
  std::vector<size_t> turns = answers_of(conversation);
  for (size_t i = 0; i < conversation.messages.size(); ++i) {
    const Json& message = conversation.messages[i];
    if (message["role"] != "assistant" && learned_mark(message, message_place(conversation, i, where)).value_or(false)) {
      throw FormatError(message_place(conversation, i, where) + ": a mark says that this turn of the " +
                        message["role"].get<std::string>() +
                        " is learned; only the assistant's are, or every token with data.train_on=all");
    }
  }
  if (train_on == "completion") std::erase_if(turns, [&](size_t i) { return i < conversation.prompt; });
  if (train_on == "last-turn" && !turns.empty()) turns.erase(turns.begin(), turns.end() - 1);
  std::erase_if(turns, [&](size_t i) { return !is_trained(conversation.messages[i], where); });
  return turns;
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

/// Spans of the given turns by generation blocks: one block per assistant message.
std::vector<TextSpan> marked_spans(const Rendered& whole, const Conversation& conversation, const std::vector<size_t>& wanted,
                                   const std::string& where) {
  const std::vector<size_t> turns = answers_of(conversation);
  if (wanted.size() == turns.size()) return whole.generated;
  if (whole.generated.size() != turns.size()) {
    throw DataError(where + ": the template marks " + std::to_string(whole.generated.size()) + " generated parts for " +
                    std::to_string(turns.size()) + " assistant turns: only data.train_on=all-turns is possible");
  }
  std::vector<TextSpan> spans;
  for (size_t turn = 0, next = 0; turn < turns.size() && next < wanted.size(); ++turn) {
    if (turns[turn] != wanted[next]) continue;
    spans.push_back(whole.generated[turn]);
    ++next;
  }
  return spans;
}

/// Every token but those of turns that a mark takes out.
std::vector<TokenRow> whole_rows(const Renderer& render, const Tokenizer& tokenizer, const Rendered& whole) {
  const Conversation& conversation = render.conversation;
  std::vector<size_t> out = answers_of(conversation);
  std::erase_if(out, [&](size_t i) { return is_trained(conversation.messages[i], render.where); });
  std::vector<TextSpan> taken;
  if (!out.empty() && render.chat.marks_generation(!conversation.tools.is_null())) {
    taken = marked_spans(whole, conversation, out, render.where);
  } else {
    for (const size_t i : out) {
      const Turn turn = turn_of(render, whole.text, i);
      if (!whole.text.starts_with(turn.text)) {
        throw DataError(message_place(conversation, i, render.where) +
                        ": the template rewrites this turn later: data.train_on=all cannot leave it out as its mark wants");
      }
      taken.push_back(turn.span);
    }
  }
  std::vector<TextSpan> learned;
  size_t at = 0;
  for (const TextSpan& span : taken) {
    learned.push_back({at, span.begin});
    at = span.end;
  }
  learned.push_back({at, whole.text.size()});
  return {label_spans(tokenizer, whole.text, learned)};
}

/// A system message that is not the first one must be seen: some templates look at the first only, and leave others out.
void check_late_systems(const Conversation& conversation, const std::string& text, const std::string& where) {
  bool late = false;
  for (size_t i = 0; i < conversation.messages.size(); ++i) {
    const Json& message = conversation.messages[i];
    const bool system = message["role"] == "system" || message["role"] == "developer";
    late = late || !system;
    if (!system || !late || !has(message, "content") || !message["content"].is_string()) continue;
    const std::string content = message["content"].get<std::string>();
    const size_t begin = content.find_first_not_of(" \t\r\n"), end = content.find_last_not_of(" \t\r\n");
    if (begin == std::string::npos || text.find(content.substr(begin, end - begin + 1)) != std::string::npos) continue;
    throw DataError(message_place(conversation, i, where) + ": the template leaves this " + message["role"].get<std::string>() +
                    " message out, as it does not come first");
  }
}

std::vector<TokenRow> rows_of(const ChatTemplate& chat, const Tokenizer& tokenizer, const Conversation& conversation,
                              const std::string& train_on, const std::string& where) {
  const Renderer render{chat, conversation, where};
  const Rendered whole = render(conversation.messages.size(), false);
  check_late_systems(conversation, whole.text, where);
  if (train_on == "all") return whole_rows(render, tokenizer, whole);
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

}  // namespace

std::vector<TokenRow> chat_rows(const ChatTemplate& chat, const Tokenizer& tokenizer, const Conversation& conversation,
                                const std::string& train_on, const std::string& where) {
  const std::optional<Conversation> fitted = fit_to_template(conversation, chat, where);
  return rows_of(chat, tokenizer, fitted ? *fitted : conversation, train_on, where);
}

}  // namespace hellora
