// Adapter directories: PEFT's per-expert keys for adapted experts only, a widely readable adapter_config.json, and
// hellora.json for what PEFT has no place for. A plain PEFT adapter loads too, with one module per expert or fused.
#pragma once

#include "hellora/model/adapter_file.h"
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
  std::string model = {};              // shape_note of the base
  bool plain = false;                  // no hellora.json: nothing here proves the base
  std::string method = "lora";         // that made it; of a plain PEFT adapter what adapter_config.json means
  Json settings = Json::object();      // its settings (adapter_settings)
  uint64_t seed = 0;                   // of what is made anew and not stored
  std::string seeded_hash = {};        // of that; empty: nothing is
};

/// Whether the folder looks like an adapter's.
bool holds_adapter(const Path& folder);

/// Writes adapter_model.safetensors (fp32) and hellora.json into `folder`, and adapter_config.json where PEFT has the method's type
/// and computes the same by it: without it PEFT refuses the folder instead of loading something else. In a plain LoRA's `r` is the
/// largest rank, and gate and up without down get a down of zeros; the others' name a module that only transformers 5 has: what PEFT needs
/// to take the folder whole or refuse it.
void write_adapter(const Path& folder, const AdapterSet& adapters, const AdapterOrigin& origin, const ModelShape& shape);

struct LoadedAdapter {
  std::unique_ptr<AdapterSet> adapters;
  AdapterOrigin origin;
};

/// Reads hellora.json, where it is there. FormatError names file and key: another format, a value out of range, a key that
/// hellora does not know.
AdapterOrigin read_origin(const Path& folder);

/// Reads an adapter for a model of this shape, for use; train after enable_grad(). FormatError: not LoRA, an option that would be ignored,
/// keys that fit no module, wrong shapes, gate/up/down on different experts. StateError: made for a base of another shape. CheckFailed: a
/// value that is not finite. `dtype` is fp32, or fp64 for tests.
LoadedAdapter read_adapter(const Path& folder, const ModelShape& shape, at::ScalarType dtype = at::kFloat);

/// "olmoe: 16 layers of width 2048, 64 experts of width 1024, vocabulary 50304"
std::string shape_note(const ModelShape& shape);

/// StateError when the adapter was made for a base of another shape.
void check_shape(const AdapterOrigin& origin, const ModelShape& shape, const Path& folder);
/// StateError when it was made for another base than the one with this model_hash.
void check_base(const AdapterOrigin& origin, const std::string& model_hash, const Path& folder);

/// The same as read_adapter for a command: the base is checked first, by its shape and by the hash of its weights (`model_hash` is
/// called only where the adapter names one). A plain PEFT adapter is taken with a warning that nothing proves its base, and that
/// says so where its base_model_name_or_path names another model than the folder `model`.
LoadedAdapter open_adapter(const Path& folder, const Path& model, const ModelShape& shape, const std::function<std::string()>& model_hash);

}  // namespace hellora
