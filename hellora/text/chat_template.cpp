#include "hellora/text/chat_template.h"

#include <array>
#include <fstream>
#include <sstream>

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw FormatError(path.string() + ": cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Json read_config(const fs::path& folder) {
  const fs::path path = folder / "tokenizer_config.json";
  return fs::exists(path) ? parse_json(read_file(path), path.string()) : Json::object();
}

/// The special tokens of tokenizer_config.json by their keys; a token is a string or an object with its content.
Json special_tokens(const Json& config, const std::string& where) {
  Json out = Json::object();
  for (const auto& [key, value] : config.items()) {
    if (!key.ends_with("_token") || value.is_null() || value.is_boolean()) continue;
    out[key] = value.is_object() ? string_member(value, "content", where + ": " + key) : string_member(config, key, where);
  }
  return out;
}

constexpr std::array<const char*, 3> kReasoning = {"reasoning_content", "thinking", "reasoning"};

/// A message as transformers hands it on: without empty members; reasoning under the names that templates read.
Json seen_message(const Json& message, size_t number) {
  if (!message.is_object()) {
    throw FormatError("message " + std::to_string(number) + " must be an object, found " + std::string(message.type_name()));
  }
  Json out = Json::object();
  for (const char* name : kReasoning) {
    if (!has(message, name)) continue;
    if (!has(message, "thinking")) out["thinking"] = message[name];
    break;
  }
  for (const auto& [key, value] : message.items()) {
    if (!value.is_null()) out[key] = value;
  }
  for (const char* name : kReasoning) {
    if (!has(message, name)) continue;
    out["reasoning_content"] = message[name];
    break;
  }
  return out;
}

}  // namespace

void ChatTemplate::add(const std::string& name, std::string_view source) {
  const std::string place = name == "default" ? where_ : where_ + " (" + name + ")";
  templates_.emplace(name, Template::parse(source, place));
  hash_ = hash_string(source, hash_string(name, hash_));
}

ChatTemplate ChatTemplate::from_text(std::string_view source, const std::string& where, Json specials) {
  ChatTemplate out;
  out.where_ = where;
  out.specials_ = std::move(specials);
  out.add("default", source);
  return out;
}

std::optional<ChatTemplate> ChatTemplate::load(const fs::path& folder) {
  const Json config = read_config(folder);
  const std::string where = (folder / "tokenizer_config.json").string();
  Json specials = special_tokens(config, where);
  const fs::path file = folder / "chat_template.jinja";
  if (fs::exists(file)) return from_text(read_file(file), file.string(), std::move(specials));
  if (!has(config, "chat_template")) return std::nullopt;
  ChatTemplate out;
  out.where_ = where + ": chat_template";
  out.specials_ = std::move(specials);
  const Json& held = config["chat_template"];
  if (!held.is_array()) {
    out.add("default", string_member(config, "chat_template", where));
    return out;
  }
  for (const Json& one : held) {
    const std::string name = string_member(one, "name", out.where_);
    if (out.templates_.contains(name)) throw FormatError(out.where_ + ": two templates are named \"" + name + "\"");
    out.add(name, string_member(one, "template", out.where_));
  }
  if (!out.templates_.contains("default")) throw FormatError(out.where_ + ": none of the templates is named \"default\"");
  return out;
}

ChatTemplate ChatTemplate::choose(const std::string& name_or_file, const fs::path& folder) {
  const std::string config = (folder / "tokenizer_config.json").string();
  Json specials = special_tokens(read_config(folder), config);
  std::vector<std::string> names;
  for (const NamedTemplate& one : named_templates()) {
    if (one.name == name_or_file) return from_text(one.source, "template " + name_or_file, std::move(specials));
    names.emplace_back(one.name);
  }
  if (fs::is_regular_file(name_or_file)) return from_text(read_file(name_or_file), name_or_file, std::move(specials));
  throw ConfigError("data.chat_template: \"" + name_or_file + "\" is neither a file nor one of " + join(names, ", "));
}

const Template& ChatTemplate::pick(bool with_tools) const {
  const auto special = templates_.find("tool_use");
  return with_tools && special != templates_.end() ? special->second : templates_.at("default");
}

Rendered ChatTemplate::render(const Json& messages, const Json& tools, const ChatOptions& options) const {
  if (!messages.is_array()) throw FormatError(where_ + ": messages must be a list, found " + messages.type_name());
  Json variables = {
      {"messages", Json::array()}, {"tools", tools}, {"documents", nullptr}, {"add_generation_prompt", options.add_generation_prompt}};
  for (const Json& message : messages) variables["messages"].push_back(seen_message(message, variables["messages"].size()));
  for (const Json* more : {&specials_, &options.variables}) {
    for (const auto& [name, value] : more->items()) variables[name] = value;
  }
  return pick(!tools.is_null()).render(variables, options.now);
}

}  // namespace hellora
