#include "hellora/text/tokenizer_config.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "hellora/core/error.h"
#include "hellora/io/paths.h"

namespace hellora {
namespace {

constexpr const char *kConfig = "tokenizer_config.json", *kMap = "special_tokens_map.json", *kAdded = "added_tokens.json";

Json read_object(const Path& file) {
  if (!path_exists(file)) return Json::object();
  Json json = parse_json(read_text(file), file.string());
  if (!json.is_object()) throw FormatError(file.string() + ": expected a JSON object, found " + json.type_name());
  return json;
}

/// A token as these files write it: its text, or an object with content and options.
AddedToken read_token(const Json& value, const std::string& where) {
  AddedToken token;
  token.id = -1;
  token.special = true;
  if (value.is_string()) {
    token.content = value.get<std::string>();
  } else if (value.is_object()) {
    token.content = string_member(value, "content", where);
    token.special = bool_or(value, "special", true, where);
    token.lstrip = bool_or(value, "lstrip", false, where);
    token.rstrip = bool_or(value, "rstrip", false, where);
    token.single_word = bool_or(value, "single_word", false, where);
    token.normalized = bool_or(value, "normalized", !token.special, where);
  } else {
    throw FormatError(where + " must be a token's text or an object with its content, found " + value.type_name());
  }
  if (token.content.empty()) throw FormatError(where + " is an empty token");
  token.match = token.content;
  return token;
}

bool names_token(std::string_view key, const Json& value) {
  return key.ends_with("_token") && !value.is_null() && !value.is_boolean() && value != "";
}

/// Special tokens that are listed, or given names of their own in an object.
void add_listed(const Json& held, const std::string& where, TokenizerConfig& out) {
  if (held.is_null()) return;
  if (!held.is_structured()) throw FormatError(where + " must be a list of tokens, found " + held.type_name());
  for (const auto& [key, value] : held.items()) {
    out.named.push_back(read_token(value, where + "[" + key + "]"));
    if (held.is_object()) out.specials[key] = out.named.back().content;
  }
}

int64_t read_id(const std::string& text, const std::string& where) {
  int64_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0) throw FormatError(where + ": \"" + text + "\" is no token id");
  return id;
}

/// Keys of tokenizer_config.json that would change the ids of a text, or its text again, and those that change neither: which tokens
/// stand around a text is said by tokenizer.json alone (add_bos_token and add_eos_token are not read by transformers 5 either).
void check_keys(const Json& config, const std::string& where, Unknown unknown) {
  JsonObject object(config, where);
  object.refuse("split_special_tokens", "hellora takes special tokens in a text for what they are");
  object.refuse("fix_mistral_regex", "it would put another pattern in the place of tokenizer.json's");
  object.refuse("clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output", "hellora leaves decoded text as it is");
  object.harmless({"added_tokens_decoder", "additional_special_tokens", "extra_special_tokens", "chat_template", "tokenizer_class"});
  object.harmless(
      {"add_bos_token", "add_eos_token", "add_prefix_space", "clean_up_tokenization_spaces", "errors", "legacy", "model_max_length"});
  object.harmless({"max_len", "padding_side", "truncation_side", "truncation", "padding", "max_length", "stride", "pad_to_multiple_of"});
  object.harmless({"truncation_strategy", "pad_token_type_id", "model_input_names", "name_or_path", "sp_model_kwargs", "use_fast"});
  object.harmless({"special_tokens_map_file", "tokenizer_file", "vocab_file", "merges_file", "use_default_system_prompt", "backend"});
  object.harmless(
      {"spaces_between_special_tokens", "processor_class", "auto_map", "is_local", "local_files_only", "init_inputs", "verbose"});
  object.harmless({"from_slow", "trust_remote_code", "device_map", "response_schema", "response_template", "transformers_version"});
  object.harmless(
      {"model_specific_special_tokens", "max_position_embeddings", "do_lower_case", "remove_space", "keep_accents", "revision"});
  for (const auto& [key, value] : config.items()) {
    if (key.ends_with("_token") || key.ends_with("_token_id")) object.harmless({key});
  }
  object.finish(unknown);
}

void add_declared(const Json& decoder, const std::string& where, TokenizerConfig& out) {
  if (!decoder.is_object()) throw FormatError(where + " must be an object of tokens by id, found " + decoder.type_name());
  for (const auto& [id, value] : decoder.items()) {
    out.declared.push_back(read_token(value, where + "[" + id + "]"));
    out.declared.back().id = read_id(id, where);
    out.declared.back().special = value.is_object() && bool_or(value, "special", false, where);
    if (value.is_object() && !has(value, "normalized")) out.declared.back().normalized = !out.declared.back().special;
  }
}

/// added_tokens.json is {content: id}; what is a special token is said elsewhere.
void add_older(const Json& older, const std::string& where, TokenizerConfig& out) {
  for (const auto& [content, id] : older.items()) {
    AddedToken token = read_token(content, where);
    token.id = int_member(older, content, where);
    token.special = std::any_of(out.named.begin(), out.named.end(), [&](const AddedToken& one) { return one.content == content; });
    token.normalized = !token.special;
    out.declared.push_back(std::move(token));
  }
}

/// The added tokens by their texts: lists of thousands are looked up in.
class TokenList {
 public:
  TokenList(std::vector<AddedToken>& tokens, const Vocabulary& vocab) : tokens_(tokens), vocab_(vocab) {
    vocab.for_each([&](std::string_view, TokenId id) { next_ = std::max<int64_t>(next_, id + 1); });
    for (size_t i = 0; i < tokens.size(); ++i) {
      places_.emplace(tokens[i].content, i);
      next_ = std::max(next_, tokens[i].id + 1);
    }
  }

  AddedToken* find(const std::string& content) {
    const auto it = places_.find(content);
    return it == places_.end() ? nullptr : &tokens_[it->second];
  }

  int64_t add(AddedToken token) {
    const std::optional<TokenId> known = vocab_.find(token.content);
    token.id = known ? *known : next_;
    next_ = std::max(next_, token.id + 1);
    places_.emplace(token.content, tokens_.size());
    tokens_.push_back(std::move(token));
    return tokens_.back().id;
  }

 private:
  std::vector<AddedToken>& tokens_;
  const Vocabulary& vocab_;
  std::unordered_map<std::string, size_t> places_;
  int64_t next_ = 0;
};

}  // namespace

void add_tokens(const TokenizerConfig& config, const Vocabulary& vocab, std::vector<AddedToken>& tokens) {
  TokenList list(tokens, vocab);
  for (const AddedToken& token : config.declared) {
    if (AddedToken* known = list.find(token.content)) {
      const int64_t id = known->id;
      *known = token;
      known->id = id;
    } else if (const int64_t id = list.add(token); id != token.id) {
      throw FormatError(config.where + ": added token \"" + token.content + "\" has the id " + std::to_string(token.id) +
                        ", and with tokenizer.json it would have " + std::to_string(id));
    }
  }
  // Without these two something would be missing; others, such as padding, are not needed.
  for (const char* key : {"eos_token", "bos_token"}) {
    if (!config.specials.contains(key)) continue;
    const auto name = config.specials[key].get<std::string>();
    if (list.find(name) == nullptr && !vocab.find(name)) throw FormatError(config.where + ": " + key + " \"" + name + "\" is not a token");
  }
  for (const AddedToken& token : config.named) {
    if (list.find(token.content) == nullptr) list.add(token);
  }
}

TokenizerConfig read_tokenizer_config(const Path& folder, Unknown unknown) {
  const Path file = folder / kConfig, map_file = folder / kMap, older_file = folder / kAdded;
  TokenizerConfig out;
  Json config = read_object(file);
  out.where = file.string();
  check_keys(config, out.where, unknown);
  const bool declares = has(config, "added_tokens_decoder");
  if (!declares && path_exists(map_file)) {
    const Json map = read_object(map_file);
    for (const auto& [key, value] : map.items()) config[key] = value;
    out.where += " or " + map_file.string();
  }
  for (const auto& [key, value] : config.items()) {
    if (!names_token(key, value)) continue;
    out.named.push_back(read_token(value, out.where + ": " + key));
    out.specials[key] = out.named.back().content;
  }
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    if (has(config, key)) add_listed(config[key], out.where + ": " + key, out);
  }
  if (declares) {
    add_declared(config["added_tokens_decoder"], out.where + ": added_tokens_decoder", out);
  } else {
    add_older(read_object(older_file), older_file.string(), out);
  }
  std::stable_sort(out.declared.begin(), out.declared.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  if (has(config, "chat_template")) out.chat_template = config["chat_template"];
  return out;
}

}  // namespace hellora
