#include "hellora/recipe/workspace.h"

#include "hellora/core/error.h"
#include "hellora/core/json_object.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"
#include "hellora/io/paths.h"
#include "hellora/model/loading.h"
#include "hellora/recipe/progress.h"
#include "hellora/recipe/threads.h"
#include "hellora/train/memory.h"

namespace hellora {
Workspace open_model(const Path& folder, const std::string& weights, bool with_tokenizer, const Compute& compute) {
  Workspace space;
  space.checkpoint = std::make_unique<Checkpoint>(folder);
  const ModelShape shape = read_shape(space.checkpoint->config(), (folder / "config.json").string());
  const int64_t needed = weight_bytes(shape, weights == "bf16" ? 2 : 4), there = machine_bytes();
  if (there > 0 && needed > there) {
    throw StateError(folder.string() + ": the weights need " + human_bytes(static_cast<double>(needed)) + " as " + weights + ", " +
                     machine_text() + (weights == "fp32" ? "; compute.weights=bf16 needs half" : ""));
  }
  if (with_tokenizer) space.tokenizer = std::make_unique<Tokenizer>(Tokenizer::load(folder));
  log_info("loading " + folder.string() + ": " + std::to_string(shape.layers) + " layers, " + human_bytes(static_cast<double>(needed)));
  Progress line("load", Ending::erase, Lines::slow);
  space.decoder = load_decoder(*space.checkpoint, {weights == "bf16" ? at::kBFloat16 : at::kFloat, at::kFloat}, compute,
                               [&](int64_t done, int64_t total) { line.show(done, total); });
  return space;
}

Dataset load_rows(const std::vector<std::string>& files, const DataConfig& config, const Workspace& space, const Path& folder) {
  const std::optional<ChatTemplate> chat = resolve_chat_template(config, folder);
  // Beyond its positions a model has learned nothing: for training and evaluation alike such a row is too long.
  DataConfig limited = config;
  limited.max_length = std::min(config.max_length, space.decoder->shape().max_positions);
  Dataset data = load_dataset(files, limited, *space.tokenizer, space.decoder->shape().vocab, chat ? &*chat : nullptr);
  if (limited.max_length < config.max_length && data.skipped_long + data.truncated > 0) {
    log_warn("the model has " + std::to_string(limited.max_length) + " positions, data.max_length is " + std::to_string(config.max_length) +
             ": longer rows are skipped or cut at " + std::to_string(limited.max_length) + " tokens");
  }
  return data;
}

std::string trained_chat_template(const AdapterOrigin& origin, const Path& adapter) {
  const std::string& name = origin.chat_template;
  const auto templates = named_templates();
  if (name == "auto" || std::any_of(templates.begin(), templates.end(), [&](const NamedTemplate& one) { return one.name == name; }))
    return name;
  const Path folder = find_adapter(adapter), file = folder / name;
  // A file of the user's must not become the prompt because somebody's adapter names it.
  const bool inside = !name.empty() && Path(name).is_relative() && is_file(file) && lies_inside(real_path(file), real_path(folder));
  if (!inside) {
    throw FormatError((folder / "hellora.json").string() + ": chat_template \"" + printable(name) +
                      "\" is neither auto, nor a built-in template, nor a file inside the adapter's folder");
  }
  return file.string();
}

std::optional<ChatTemplate> find_chat_template(const std::string& setting, const Workspace& space, const Path& model, const Path& adapter) {
  DataConfig config;
  config.chat_template = setting == "auto" && space.adapter.adapters ? trained_chat_template(space.adapter.origin, adapter) : setting;
  return resolve_chat_template(config, model);
}

namespace {

/// eos_token_id: one id or a list of them.
void add_ends(JsonObject& config, std::vector<int64_t>& ids) {
  constexpr std::string_view kKey = "eos_token_id";
  const Json* eos = config.find(kKey);
  if (eos == nullptr) return;
  if (!eos->is_array()) return ids.push_back(config.integer(kKey, 0, INT32_MAX));
  for (const int64_t id : config.integers(kKey, 0, INT32_MAX)) ids.push_back(id);
}

/// How hellora draws is its own settings' matter, so what only says how to draw counts for nothing; other keys of another tool's
/// generation are warned of, once.
void add_generation_ends(const Path& file, std::vector<int64_t>& ids) {
  const Json json = parse_json(read_text(file), file.string());
  JsonObject config(json, file.string());
  add_ends(config, ids);
  config.harmless({"bos_token_id",
                   "pad_token_id",
                   "decoder_start_token_id",
                   "transformers_version",
                   "_from_model_config",
                   "do_sample",
                   "temperature",
                   "top_k",
                   "top_p",
                   "min_p",
                   "typical_p",
                   "max_length",
                   "max_new_tokens",
                   "use_cache",
                   "cache_implementation",
                   "num_beams",
                   "num_return_sequences",
                   "early_stopping",
                   "output_attentions",
                   "output_hidden_states",
                   "output_scores",
                   "return_dict_in_generate",
                   "trust_remote_code",
                   "chat_format",
                   "max_window_size",
                   "transformers.js_config"});
  for (const std::string_view key : {"repetition_penalty", "length_penalty", "encoder_repetition_penalty", "diversity_penalty"}) {
    const Json* value = config.find(key);
    if (value != nullptr && *value != 1)
      log_warn(file.string() + ": " + std::string(key) + " is " + dump_json(*value) + "; hellora does not apply it");
  }
  config.finish(Unknown::warn);
}

}  // namespace

std::vector<int64_t> stop_ids(const Workspace& space) {
  std::vector<int64_t> ids;
  if (space.tokenizer->eos()) ids.push_back(*space.tokenizer->eos());
  JsonObject config(space.checkpoint->config(), (space.checkpoint->folder() / "config.json").string());
  add_ends(config, ids);
  const Path more = space.checkpoint->folder() / "generation_config.json";
  if (path_exists(more)) add_generation_ends(more, ids);
  return ids;
}

Compute resolve_compute(ComputeConfig* config) {
  // bf16 products read bf16 weights: with fp32 storage auto keeps everything fp32.
  const bool fast = kernels::active_row().bf16_products && config->weights == "bf16";
  if (config->matmul == "auto") config->matmul = fast ? "bf16" : "fp32";
  if (config->saved == "auto") config->saved = "fp32";
  if (config->matmul == "bf16" && config->weights != "bf16")
    throw ConfigError("compute.matmul: bf16 needs compute.weights=bf16 (now " + config->weights + ")");
  return {config->matmul == "bf16" ? kernels::Math::bf16 : kernels::Math::full, config->saved == "bf16" ? at::kBFloat16 : at::kFloat};
}

std::string stored_weights(const Path& folder) {
  const Checkpoint checkpoint(folder);
  for (const std::string& name : checkpoint.names()) {
    if (checkpoint.info(name).dtype != Dtype::bf16) return "fp32";
  }
  return "bf16";
}

Path find_adapter(const Path& given) {
  if (holds_adapter(given)) return given;
  if (holds_adapter(given / "adapter")) return given / "adapter";  // a run, or a checkpoint of one
  if (!path_exists(given)) throw DataError(given.string() + ": no such adapter folder");
  std::string found;
  if (is_folder(given)) {
    for (const Path& entry : list_folder(given)) {  // by name: the last step comes last
      if (entry.filename().string().starts_with("checkpoint-") && holds_adapter(entry / "adapter")) found = entry.string();
    }
  }
  throw DataError(given.string() + ": holds no adapter (adapter_config.json or hellora.json, or a run's folder \"adapter\")" +
                  (found.empty() ? "" : "; the run is not finished: its last checkpoint is " + found));
}

int64_t micro_batch_tokens(const RunConfig& config) {
  return config.train.micro_batch_tokens ? *config.train.micro_batch_tokens : std::max<int64_t>(2048, config.data.max_length);
}

PackingRule packing_rule(const RunConfig& config) { return {micro_batch_tokens(config), config.data.packing, config.data.max_length}; }

int64_t auto_k(const ModelShape& shape) { return default_k(find_arch(shape.arch, "select.k"), shape.experts, shape.router.top_k); }

}  // namespace hellora
