// Conversations rendered by a chat template, with labels on what the model says.
#pragma once

#include <span>

#include "hellora/data/row.h"

namespace hellora {

/// `train_on`: `last-turn` is the last assistant turn, `all-turns` every one, `completion` every one after the prompt, `all` every token;
/// of each, turns that a mark takes out are not learned (data/marks.h). The conversation comes in the form that the template takes.
/// Ids are those of the whole text, as apply_chat_template gives them; a token is learned when it overlaps a supervised span. The spans are
/// the template's generation blocks, or else what a turn adds to its own prompt. A template that rewrites earlier turns once the
/// conversation goes on gets one row per supervised turn, each as the model would see it. DataError when not even that holds.
std::vector<TokenRow> chat_rows(const ChatTemplate& chat, const Tokenizer& tokenizer, const Conversation& conversation,
                                const std::string& train_on, const std::string& where);

/// The text's tokens with labels on those that overlap a span; spans are in order and apart.
TokenRow label_spans(const Tokenizer& tokenizer, std::string text, std::span<const TextSpan> spans);

}  // namespace hellora
