#include "hellora/model/config_reader.h"

#include "hellora/core/error.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 24;  // no real model is wider; keeps products far from overflow

void read_heads(const Json& config, const std::string& where, ModelShape& shape) {
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

std::string_view spelling(const Json& config, std::initializer_list<std::string_view> keys, const std::string& where) {
  std::string_view found;
  for (const std::string_view key : keys) {
    if (!has(config, key)) continue;
    if (!found.empty() && config[found] != config[key]) {
      throw FormatError(where + ": keys \"" + std::string(found) + "\" and \"" + std::string(key) + "\" contradict each other");
    }
    if (found.empty()) found = key;
  }
  return found.empty() ? *keys.begin() : found;  // the reader that follows names the missing key
}

void refuse_window(const Json& config, const std::string& where) {
  if (bool_or(config, "use_sliding_window", false, where)) {
    throw FormatError(where + ": use_sliding_window true is not supported for this model; expected false");
  }
}

int64_t read_window(const Json& config, const std::string& where) {
  if (!has(config, "sliding_window")) return 0;
  if (has(config, "layer_types")) {
    for (const Json& type : config["layer_types"]) {
      if (type != config["layer_types"][0])
        throw FormatError(where + ": layer_types mixes kinds of attention; expected one for all layers");
    }
    if (!config["layer_types"].empty() && config["layer_types"][0] == "full_attention") return 0;
  }
  return sized(config, "sliding_window", 1, int64_t{1} << 30, where);
}

ModelShape read_shared_shape(const Json& config, const std::string& where, bool bias_allowed) {
  ModelShape shape;
  shape.arch = string_member(config, "model_type", where);
  shape.vocab = sized(config, "vocab_size", 1, kMaxSize, where);
  shape.hidden = sized(config, "hidden_size", 1, kMaxSize, where);
  shape.layers = sized(config, "num_hidden_layers", 1, 4096, where);
  read_heads(config, where, shape);
  shape.max_positions =
      has(config, "max_position_embeddings") ? sized(config, "max_position_embeddings", 1, int64_t{1} << 30, where) : 4096;
  shape.rms_eps = double_or(config, "rms_norm_eps", 1e-5, where);
  shape.rope = read_rope(config, shape.max_positions, where);
  shape.tied_embeddings = bool_or(config, "tie_word_embeddings", false, where);
  shape.aux_loss = double_or(config, "router_aux_loss_coef", 0, where);
  const std::string activation = string_or(config, "hidden_act", "silu", where);
  if (activation != "silu") throw FormatError(where + ": hidden_act \"" + activation + "\" is not supported; expected \"silu\"");
  const bool bias = bool_or(config, "attention_bias", false, where);
  if (bias && !bias_allowed) throw FormatError(where + ": attention_bias true is not supported for this model");
  if (bool_or(config, "mlp_bias", false, where)) throw FormatError(where + ": mlp_bias true is not supported; expected false");
  shape.qkv_bias = shape.o_bias = bias;
  return shape;
}

Json write_shared_shape(const ModelShape& shape, std::string_view architecture) {
  Json config{{"architectures", {std::string(architecture)}},
              {"model_type", shape.arch},
              {"vocab_size", shape.vocab},
              {"hidden_size", shape.hidden},
              {"num_hidden_layers", shape.layers},
              {"num_attention_heads", shape.heads},
              {"num_key_value_heads", shape.kv_heads},
              {"hidden_act", "silu"},
              {"max_position_embeddings", shape.max_positions},
              {"rms_norm_eps", shape.rms_eps}};
  write_rope(shape.rope, config);
  config["attention_bias"] = shape.o_bias;
  config["attention_dropout"] = 0.0;
  config["tie_word_embeddings"] = shape.tied_embeddings;
  config["initializer_range"] = 0.02;
  config["use_cache"] = true;
  config["torch_dtype"] = "bfloat16";
  return config;
}

}  // namespace hellora
