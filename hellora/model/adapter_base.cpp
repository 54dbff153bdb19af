// Whether an adapter belongs to a model: what its folder says of its base, and what that proves.
#include <algorithm>
#include <cctype>

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/printable.h"
#include "hellora/io/paths.h"
#include "hellora/model/adapter_dir.h"

namespace hellora {
namespace {

std::string base_note(const AdapterOrigin& origin) {
  return origin.base_path.empty() ? "" : " (adapter_config.json names \"" + printable(origin.base_path) + "\")";
}

/// What people call a model: the last part of a path or of a name on a hub, in small letters. A cache of the hub keeps
/// "models--owner--name/snapshots/REVISION".
std::string model_name(const Path& place) {
  Path path = place.lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  if (path.parent_path().filename() == "snapshots") path = path.parent_path().parent_path();
  std::string name = path.filename().string();
  if (const size_t cut = name.rfind("--"); cut != std::string::npos && name.starts_with("models--")) name = name.substr(cut + 2);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

void warn_unproven(const AdapterOrigin& origin, const Path& folder, const Path& model) {
  std::string text = folder.string() + (origin.plain ? ": a plain PEFT adapter, without hellora.json" : ": hellora.json names no base") +
                     ": nothing proves that " + model.string() + " is its base; ";
  if (origin.base_path.empty()) {
    text += "adapter_config.json names none";
  } else {
    const bool other = model_name(origin.base_path) != model_name(real_path(model)) && model_name(origin.base_path) != model_name(model);
    text += "base_model_name_or_path is \"" + printable(origin.base_path) + "\"" + (other ? ", which is another model's name" : "");
  }
  log_warn(text);
}

}  // namespace

std::string shape_note(const ModelShape& shape) {
  std::string text = shape.arch + ": " + std::to_string(shape.layers) + " layers of width " + std::to_string(shape.hidden) + ", ";
  if (shape.experts > 0) text += std::to_string(shape.experts) + " experts of width " + std::to_string(shape.expert_width) + ", ";
  return text + "vocabulary " + std::to_string(shape.vocab);
}

void check_shape(const AdapterOrigin& origin, const ModelShape& shape, const Path& folder) {
  if (origin.model.empty() || origin.model == shape_note(shape)) return;
  throw StateError(folder.string() + ": the adapter was made for another base model, " + printable(origin.model) + base_note(origin) +
                   "; this model is " + shape_note(shape));
}

void check_base(const AdapterOrigin& origin, const std::string& model_hash, const Path& folder) {
  if (origin.model_hash.empty() || origin.model_hash == model_hash) return;
  throw StateError(folder.string() + ": the adapter was made for another base model" + base_note(origin) + ": its hash is " +
                   printable(origin.model_hash) + ", this model is " + model_hash);
}

LoadedAdapter open_adapter(const Path& folder, const Path& model, const ModelShape& shape, const std::function<std::string()>& model_hash) {
  const AdapterOrigin origin = read_origin(folder);
  check_shape(origin, shape, folder);
  if (!origin.model_hash.empty()) check_base(origin, model_hash(), folder);
  if (origin.model_hash.empty()) warn_unproven(origin, folder, model);
  return read_adapter(folder, shape);
}

}  // namespace hellora
