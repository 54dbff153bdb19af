#include "hellora/cli/workspace.h"

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/train/memory.h"

namespace hellora {

Workspace open_model(const Path& folder, const std::string& weights, bool with_tokenizer, const Compute& compute) {
  Workspace space;
  space.checkpoint = std::make_unique<Checkpoint>(folder);
  const ModelShape shape = read_shape(space.checkpoint->config(), (folder / "config.json").string());
  const int64_t needed = weight_bytes(shape, weights == "bf16" ? 2 : 4), there = machine_bytes();
  if (there > 0 && needed > there) {
    throw StateError(folder.string() + ": the weights need " + human_bytes(static_cast<double>(needed)) + " as " + weights +
                     ", the machine has " + human_bytes(static_cast<double>(there)) +
                     (weights == "fp32" ? "; compute.weights=bf16 needs half" : ""));
  }
  if (with_tokenizer) space.tokenizer = std::make_unique<Tokenizer>(Tokenizer::load(folder));
  space.decoder = load_decoder(*space.checkpoint, {weights == "bf16" ? at::kBFloat16 : at::kFloat, at::kFloat}, compute);
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
  if (origin.chat_template == kAdapterTemplate) return (adapter / kAdapterTemplate).string();
  return origin.chat_template;
}

std::optional<ChatTemplate> find_chat_template(const std::string& setting, const Workspace& space, const Path& model, const Path& adapter) {
  DataConfig config;
  config.chat_template = setting == "auto" && space.adapter.adapters ? trained_chat_template(space.adapter.origin, adapter) : setting;
  return resolve_chat_template(config, model);
}

std::vector<int64_t> stop_ids(const Workspace& space) {
  std::vector<int64_t> ids;
  const auto add = [&](const Json& config) {
    if (!has(config, "eos_token_id")) return;
    const Json& eos = config["eos_token_id"];
    for (const Json& one : eos.is_array() ? eos : Json::array({eos})) {
      if (one.is_number_integer()) ids.push_back(one.get<int64_t>());
    }
  };
  if (space.tokenizer->eos()) ids.push_back(*space.tokenizer->eos());
  add(space.checkpoint->config());
  const Path more = space.checkpoint->folder() / "generation_config.json";
  if (std::filesystem::exists(more)) add(parse_json(read_text(more), more.string()));
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

void ModelOptions::declare(CLI::App& app) {
  app.add_option("--model", model, "model folder")->required();
  app.add_option("--adapter", adapter, "adapter folder");
}

Workspace ModelOptions::open(bool with_tokenizer) const {
  Workspace space = open_model(model, stored_weights(model), with_tokenizer);
  if (adapter.empty()) return space;
  space.adapter = read_adapter(adapter, space.decoder->shape());
  check_base(space.adapter, *space.decoder, adapter);
  space.decoder->bind(space.adapter.adapters.get());
  return space;
}

void apply_common(RunConfig* config, const Common& common) {
  if (common.seed_given) config->seed = common.seed;
  if (common.threads_given) config->compute.threads = common.threads;
  if (config->compute.threads > 0) at::set_num_threads(static_cast<int>(config->compute.threads));
}

int64_t micro_batch_tokens(const RunConfig& config) {
  return config.train.micro_batch_tokens ? *config.train.micro_batch_tokens : std::max<int64_t>(2048, config.data.max_length);
}

PackingRule packing_rule(const RunConfig& config) { return {micro_batch_tokens(config), config.data.packing, config.data.max_length}; }

int64_t auto_k(const ModelShape& shape) { return default_k(find_arch(shape.arch, "select.k"), shape.experts, shape.router.top_k); }

}  // namespace hellora
