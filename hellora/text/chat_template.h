// The chat template of a model folder, or one of the built-in ones, and what apply_chat_template of transformers hands to it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hellora/text/template.h"
#include "hellora/text/template_habits.h"

namespace hellora {

/// A built-in template: never used unless it is asked for by name.
struct NamedTemplate {
  std::string_view name, source, about;
};
std::span<const NamedTemplate> named_templates();

struct ChatOptions {
  bool add_generation_prompt = false;
  Json variables = Json::object();  // more for the template, for instance enable_thinking; these win
  std::optional<std::tm> now{};     // the clock of strftime_now
};

class ChatTemplate {
 public:
  /// chat_template.jinja and additional_chat_templates/NAME.jinja of the folder; what they leave open comes from chat_template in
  /// tokenizer_config.json (one, or several with names), and only where there is none from chat_template.json. Nothing when no file
  /// has one. `bos_token` and the like: text/tokenizer_config.h. FormatError, with the file's name, when none is the default.
  static std::optional<ChatTemplate> load(const std::filesystem::path& folder);
  /// A built-in template by name, or a file; special tokens come from the model's folder. ConfigError lists the names.
  static ChatTemplate choose(const std::string& name_or_file, const std::filesystem::path& folder);
  /// For tests and callers with a text of their own. `specials` holds bos_token and the like.
  static ChatTemplate from_text(std::string_view source, const std::string& where, Json specials);

  /// `messages` is a list of objects, `tools` a list or null. FormatError or DataError with the template's line.
  Rendered render(const Json& messages, const Json& tools = nullptr, const ChatOptions& options = {}) const;
  /// True when the template marks what the model writes.
  bool marks_generation(bool with_tools = false) const { return pick(with_tools).marks_generation(); }
  /// Where the template comes from, for people.
  const std::string& where() const { return where_; }
  /// What the template does with lists and arguments; looked for once.
  const TemplateHabits& habits(bool with_tools = false) const;
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();
  /// hash of the template's text, for the identity of a run
  uint64_t hash() const { return hash_; }

 private:
  struct Habits;
  ChatTemplate();
  /// Only "default" and "tool_use" are ever taken; others are not even parsed.
  void add(const std::string& name, std::string_view source, const std::string& place);
  void add_named(const Json& held, const std::string& place);
  const Template& pick(bool with_tools) const;

  std::string where_;
  std::map<std::string, Template> templates_;  // "default", and possibly "tool_use"
  Json specials_ = Json::object();
  uint64_t hash_ = 0;
  std::unique_ptr<Habits> habits_;  // found when first asked for
};

}  // namespace hellora
