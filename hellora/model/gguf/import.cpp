#include "hellora/model/gguf/import.h"

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/model/arch.h"
#include "hellora/model/gguf/layout.h"
#include "hellora/model/gguf/weights.h"
#include "hellora/text/gguf_tokenizer.h"
#include "hellora/text/tokenizer.h"

namespace hellora {
namespace {

void write_json(const Path& path, const Json& value, int indent) { write_text_atomic(path, dump_json(value, indent) + "\n"); }

/// config.json and generation_config.json name special tokens by their ids.
void add_token_ids(const GgufTokenizer& tokenizer, Json& config) {
  if (tokenizer.bos) config["bos_token_id"] = *tokenizer.bos;
  if (tokenizer.ends.size() == 1) config["eos_token_id"] = tokenizer.ends.front();
  if (tokenizer.ends.size() > 1) config["eos_token_id"] = tokenizer.ends;
  if (tokenizer.pad) config["pad_token_id"] = *tokenizer.pad;
}

/// What a made file is refused for lies in the GGUF file.
template <class Read>
auto reread(const Path& path, const std::string& made, const Read& read) {
  try {
    return read();
  } catch (const FormatError& error) {
    std::string message = error.what();
    const size_t at = message.find(made);
    if (at == 0) message.erase(0, message.find_first_not_of("/: ", made.size()));
    throw FormatError(path.string() + ": of its metadata follows what is refused: " + message);
  }
}

void write_tokenizer(const Path& path, const Path& folder, const ModelShape& shape, GgufTokenizer& tokenizer) {
  if (tokenizer.tokens > shape.vocab) {
    throw FormatError(path.string() + ": " + std::to_string(tokenizer.tokens) + " tokens, more than the " + std::to_string(shape.vocab) +
                      " rows of tensor \"token_embd.weight\"");
  }
  tokenizer.config["model_max_length"] = shape.max_positions;
  write_json(folder / "tokenizer.json", tokenizer.tokenizer, 1);
  write_json(folder / "tokenizer_config.json", tokenizer.config, 2);
  write_json(folder / "special_tokens_map.json", tokenizer.special_tokens, 2);
  reread(path, folder.string(), [&] { return Tokenizer::load(folder); });
}

}  // namespace

GgufImport import_gguf(const Path& path, const Path& folder, bool fp32) {
  GgufFile file(path);
  const GgufLayout& layout = find_gguf_layout(file);
  const ModelShape read = read_gguf_shape(file, layout);
  GgufTokenizer tokenizer = read_gguf_tokenizer(file.metadata());
  meet_other_gguf_keys(file, layout);
  Json config = find_arch(read.arch, path.string()).config(read);
  config["torch_dtype"] = fp32 ? "float32" : "bfloat16";
  add_token_ids(tokenizer, config);
  const ModelShape shape = reread(path, "config.json", [&] { return read_shape(config, "config.json"); });
  const std::vector<GgufPlace> places = gguf_places(file, shape, layout.permuted);
  write_tokenizer(path, folder, shape, tokenizer);
  write_json(folder / "config.json", config, 2);
  Json generation = Json::object();
  add_token_ids(tokenizer, generation);
  write_json(folder / "generation_config.json", generation, 2);
  write_gguf_weights(file, places, folder / "model.safetensors", fp32);
  GgufImport out{std::string(layout.architecture), shape.arch, static_cast<int64_t>(places.size())};
  for (const GgufPlace& place : places) out.parameters += place.rows * place.width;
  return out;
}

}  // namespace hellora
