// What most commands start from: an opened model folder, its tokenizer, and data.
#pragma once

#include "hellora/data/dataset.h"
#include "hellora/model/adapter_dir.h"
#include "hellora/model/decoder.h"
#include "hellora/recipe/run_config.h"
#include "hellora/train/trainer.h"

namespace hellora {

/// The chat template of the training beside the adapter, where it was a file.
inline constexpr const char* kAdapterTemplate = "chat_template.jinja";

struct Workspace {
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<Tokenizer> tokenizer;
  LoadedAdapter adapter;  // bound to the decoder; empty without one
};

/// Loads model and tokenizer; `weights` is "bf16" or "fp32". A model that does not fit is refused before loading.
Workspace open_model(const Path& folder, const std::string& weights, bool with_tokenizer = true, const Compute& compute = {});

/// Reads data with the chat template that the settings name, for the model in `folder`.
Dataset load_rows(const std::vector<std::string>& files, const DataConfig& config, const Workspace& space, const Path& folder);

/// The chat template of a built-in name, a file, or (auto) the adapter's training, else the model's own, which may be none.
std::optional<ChatTemplate> find_chat_template(const std::string& setting, const Workspace& space, const Path& model, const Path& adapter);
/// data.chat_template as the adapter was trained with; FormatError when it is neither auto, nor a built-in name, nor a file inside the
/// adapter's folder.
std::string trained_chat_template(const AdapterOrigin& origin, const Path& adapter);

/// The adapter folder that --adapter means: itself, or the folder `adapter` of a run or of a checkpoint. DataError where there is none;
/// for an unfinished run it names the last checkpoint that has one.
Path find_adapter(const Path& given);

/// Ids that end an answer: the tokenizer's end of text and eos_token_id of config.json and generation_config.json.
std::vector<int64_t> stop_ids(const Workspace& space);

/// Replaces `auto` in compute.matmul and compute.saved by what this processor takes, and returns it for the engine.
Compute resolve_compute(ComputeConfig* config);

/// "bf16" for a checkpoint that holds nothing wider, else "fp32".
std::string stored_weights(const Path& folder);

PackingRule packing_rule(const RunConfig& config);
/// Tokens of one micro-batch after `auto`.
int64_t micro_batch_tokens(const RunConfig& config);
int64_t auto_k(const ModelShape& shape);

}  // namespace hellora
