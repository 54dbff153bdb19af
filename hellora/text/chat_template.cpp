#include "hellora/text/chat_template.h"

#include <array>
#include <mutex>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/text.h"
#include "hellora/io/files.h"
#include "hellora/io/paths.h"
#include "hellora/text/tokenizer_config.h"

namespace hellora {
namespace {

namespace fs = std::filesystem;

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

/// Templates that are files of their own, by name: one in the folder for others goes before chat_template.jinja, as in transformers.
std::map<std::string, fs::path> template_files(const fs::path& folder) {
  std::map<std::string, fs::path> files;
  if (path_exists(folder / "chat_template.jinja")) files["default"] = folder / "chat_template.jinja";
  const fs::path more = folder / "additional_chat_templates";
  if (!is_folder(more)) return files;
  for (const fs::path& file : list_folder(more)) {
    if (file.extension() == ".jinja") files[file.stem().string()] = file;
  }
  return files;
}

}  // namespace

struct ChatTemplate::Habits {
  std::array<std::once_flag, 2> asked;  // without and with tools
  std::array<TemplateHabits, 2> found;
};

ChatTemplate::ChatTemplate() : habits_(std::make_unique<Habits>()) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

void ChatTemplate::add(const std::string& name, std::string_view source, const std::string& place) {
  if (name != "default" && name != "tool_use") return;
  if (name == "default") where_ = place;
  templates_.emplace(name, Template::parse(source, place));
  hash_ = hash_string(source, hash_string(name, hash_));
}

ChatTemplate ChatTemplate::from_text(std::string_view source, const std::string& where, Json specials) {
  ChatTemplate out;
  out.specials_ = std::move(specials);
  out.add("default", source, where);
  return out;
}

/// A text, or a list of {name, template}; names that are there already stay as they are.
void ChatTemplate::add_named(const Json& held, const std::string& place) {
  if (held.is_string()) {
    if (!templates_.contains("default")) add("default", held.get_ref<const std::string&>(), place);
    return;
  }
  if (!held.is_array())
    throw FormatError(place + ": key \"chat_template\" must be a string or a list of them with names, found " + held.type_name());
  std::set<std::string> names;
  for (const Json& one : held) {
    const std::string name = string_member(one, "name", place), source = string_member(one, "template", place);
    if (!names.insert(name).second) throw FormatError(place + ": two templates are named \"" + name + "\"");
    if (!templates_.contains(name)) add(name, source, name == "default" ? place : place + " (" + name + ")");
  }
}

std::optional<ChatTemplate> ChatTemplate::load(const fs::path& folder) {
  const TokenizerConfig config = read_tokenizer_config(folder);
  ChatTemplate out;
  out.specials_ = config.specials;
  std::string named;
  for (const auto& [name, file] : template_files(folder)) {
    out.add(name, read_text(file), file.string());
    named = file.string();
  }
  const fs::path older = folder / "chat_template.json";
  if (!config.chat_template.is_null()) {
    named = (folder / "tokenizer_config.json").string() + ": chat_template";
    out.add_named(config.chat_template, named);
  } else if (named.empty() && path_exists(older)) {
    named = older.string() + ": chat_template";
    out.add_named(member(parse_json(read_text(older), older.string()), "chat_template", older.string()), named);
  }
  if (named.empty()) return std::nullopt;
  if (!out.templates_.contains("default")) throw FormatError(named + ": none of the templates is named \"default\"");
  return out;
}

ChatTemplate ChatTemplate::choose(const std::string& name_or_file, const fs::path& folder) {
  Json specials = read_tokenizer_config(folder).specials;
  std::vector<std::string> names;
  for (const NamedTemplate& one : named_templates()) {
    if (one.name == name_or_file) return from_text(one.source, "template " + name_or_file, std::move(specials));
    names.emplace_back(one.name);
  }
  if (path_exists(name_or_file)) return from_text(read_text(name_or_file), name_or_file, std::move(specials));
  throw ConfigError("data.chat_template: \"" + name_or_file + "\" is neither a file nor one of " + join(names, ", "));
}

const TemplateHabits& ChatTemplate::habits(bool with_tools) const {
  const size_t which = with_tools ? 1 : 0;
  std::call_once(habits_->asked[which], [&] {
    const Json function = {{"name", "f"}, {"description", "d"}, {"parameters", {{"type", "object"}, {"properties", Json::object()}}}};
    Json tools;
    if (with_tools) tools.push_back({{"type", "function"}, {"function", function}});
    habits_->found[which] = find_habits([&](const Json& messages) -> std::optional<std::string> {
      try {
        return render(messages, tools).text;
      } catch (const Error&) {  // what the template refuses is no form of its own
        return std::nullopt;
      }
    });
  });
  return habits_->found[which];
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
