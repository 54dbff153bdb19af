// Adapter directories: PEFT's per-expert keys for adapted experts only, a widely readable adapter_config.json, and
// hellora.json for what PEFT has no place for. A plain PEFT per-expert adapter loads too.
#pragma once

#include "hellora/model/decoder.h"
#include "hellora/model/sites.h"

namespace hellora {

/// Where an adapter comes from; stored in hellora.json.
struct AdapterOrigin {
  Plan plan;
  std::string model_hash, base_path;
  std::string data_format;  // template that made the training text; eval and generate reuse it
  std::string train_on = "completion";
  std::string chat_template = "auto";  // data.chat_template of the training; a file lies in the adapter's folder
  Json run = Json::object();           // seed, data hash, steps, …
};

/// Writes adapter_model.safetensors (fp32), adapter_config.json, hellora.json into `folder`. `r` is the largest rank, and
/// gate and up without down get a down of zeros: what PEFT needs to take the folder whole or refuse it.
void write_adapter(const Path& folder, const AdapterSet& adapters, const AdapterOrigin& origin, const ModelShape& shape);

struct LoadedAdapter {
  std::unique_ptr<AdapterSet> adapters;
  AdapterOrigin origin;  // empty fields for a plain PEFT adapter
};

/// Reads an adapter for a model of this shape. FormatError: not LoRA, an option that would be ignored, keys that fit no
/// module, wrong shapes, gate/up/down on different experts. `dtype` is fp32, or fp64 for tests.
LoadedAdapter read_adapter(const Path& folder, const ModelShape& shape, at::ScalarType dtype = at::kFloat);

/// StateError when the adapter was made for another base than `decoder`'s.
void check_base(const LoadedAdapter& adapter, const Decoder& decoder, const Path& folder);

/// PEFT's prefix of every key.
inline constexpr const char* kPeftPrefix = "base_model.model.";

}  // namespace hellora
