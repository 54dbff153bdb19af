#include "hellora/model/config_reader.h"

#include "hellora/core/error.h"

namespace hellora {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 24;  // no real model is wider; keeps products far from overflow

/// rope_theta may stand at the top (v4) or inside rope_parameters (v5); rope types other than the default are refused.
double read_rope_theta(const Json& config, const std::string& where) {
  double theta = double_or(config, "rope_theta", 10000, where);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!has(config, key)) continue;
    const Json& rope = config[key];
    const std::string place = where + ": " + key;
    const std::string type = string_or(rope, "rope_type", string_or(rope, "type", "default", place), place);
    if (type != "default") throw FormatError(place + ": rope type \"" + type + "\" is not supported for this model; expected \"default\"");
    theta = double_or(rope, "rope_theta", theta, place);
  }
  if (!(theta > 0)) throw FormatError(where + ": rope_theta must be positive");
  return theta;
}

}  // namespace

int64_t sized(const Json& config, std::string_view key, int64_t low, int64_t high, const std::string& where) {
  const int64_t value = int_member(config, key, where);
  if (value < low || value > high) {
    throw FormatError(where + ": key \"" + std::string(key) + "\" is " + std::to_string(value) + "; expected " + std::to_string(low) +
                      " to " + std::to_string(high));
  }
  return value;
}

ModelShape read_shared_shape(const Json& config, const std::string& where) {
  ModelShape shape;
  shape.arch = string_member(config, "model_type", where);
  shape.vocab = sized(config, "vocab_size", 1, kMaxSize, where);
  shape.hidden = sized(config, "hidden_size", 1, kMaxSize, where);
  shape.layers = sized(config, "num_hidden_layers", 1, 4096, where);
  shape.heads = sized(config, "num_attention_heads", 1, 65536, where);
  shape.kv_heads = has(config, "num_key_value_heads") ? sized(config, "num_key_value_heads", 1, 65536, where) : shape.heads;
  if (shape.heads % shape.kv_heads != 0) throw FormatError(where + ": num_attention_heads must be a multiple of num_key_value_heads");
  if (has(config, "head_dim")) {
    shape.head_dim = sized(config, "head_dim", 2, 65536, where);
  } else if (shape.hidden % shape.heads == 0) {
    shape.head_dim = shape.hidden / shape.heads;
  } else {
    throw FormatError(where + ": hidden_size is not a multiple of num_attention_heads and head_dim is absent");
  }
  if (shape.head_dim % 2 != 0) throw FormatError(where + ": head_dim must be even for rotary embedding");
  shape.max_positions =
      has(config, "max_position_embeddings") ? sized(config, "max_position_embeddings", 1, int64_t{1} << 30, where) : 4096;
  shape.rms_eps = double_or(config, "rms_norm_eps", 1e-5, where);
  shape.rope_theta = read_rope_theta(config, where);
  shape.tied_embeddings = bool_or(config, "tie_word_embeddings", false, where);
  shape.aux_loss = double_or(config, "router_aux_loss_coef", 0, where);
  const std::string activation = string_or(config, "hidden_act", "silu", where);
  if (activation != "silu") throw FormatError(where + ": hidden_act \"" + activation + "\" is not supported; expected \"silu\"");
  if (bool_or(config, "attention_bias", false, where)) throw FormatError(where + ": attention_bias true is not supported for this model");
  return shape;
}

}  // namespace hellora
