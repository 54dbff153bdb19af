// Conversations in the forms that their template can write.
#pragma once

#include <optional>
#include <string>

#include "hellora/data/conversation.h"
#include "hellora/text/chat_template.h"

namespace hellora {

/// The conversation with text parts joined where the template takes only strings, and with arguments of calls as objects or as their
/// JSON text, whichever of them the template writes (text/template_habits.h). Nothing when it fits as it is. FormatError when
/// arguments that must be an object are none.
std::optional<Conversation> fit_to_template(const Conversation& conversation, const ChatTemplate& chat, const std::string& where);

}  // namespace hellora
