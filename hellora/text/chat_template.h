// The chat template of a model folder, or one of the built-in ones, and what apply_chat_template of transformers hands to it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hellora/text/template.h"

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
  /// chat_template.jinja of the folder, else chat_template in tokenizer_config.json (one, or several with names), else nothing.
  /// `bos_token` and the like come from tokenizer_config.json.
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
  /// hash of the template's text, for the identity of a run
  uint64_t hash() const { return hash_; }

 private:
  ChatTemplate() = default;
  void add(const std::string& name, std::string_view source);
  const Template& pick(bool with_tools) const;

  std::string where_;
  std::map<std::string, Template> templates_;  // "default", and possibly "tool_use"
  Json specials_ = Json::object();
  uint64_t hash_ = 0;
};

}  // namespace hellora
