#include "hellora/model/config_reader.h"

#include "hellora/core/error.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

constexpr int64_t kMaxHeads = 65536, kMaxPositions = int64_t{1} << 30;
constexpr double kMaxEps = 0.1;  // of a mean square: more would be no norm

void read_heads(JsonObject& config, const SharedRules& rules, ModelShape& shape) {
  shape.heads = config.integer("num_attention_heads", 1, kMaxHeads);
  if (!rules.plain_heads) return;
  // null means as many as heads, in every family; only a key that is not there takes the class's own number.
  const int64_t absent = rules.kv_heads > 0 && !config.present("num_key_value_heads") ? rules.kv_heads : shape.heads;
  shape.kv_heads = config.integer_or("num_key_value_heads", absent, 1, kMaxHeads);
  if (shape.heads % shape.kv_heads != 0) {
    throw FormatError(config.where() + ": num_attention_heads " + std::to_string(shape.heads) +
                      " must be a multiple of num_key_value_heads " + std::to_string(shape.kv_heads));
  }
  if (config.find("head_dim") != nullptr) {
    shape.head_dim = config.integer("head_dim", 2, kMaxHeads);
  } else if (shape.hidden % shape.heads == 0) {
    shape.head_dim = shape.hidden / shape.heads;
  } else {
    throw FormatError(config.where() + ": hidden_size is not a multiple of num_attention_heads and head_dim is absent");
  }
  if (shape.head_dim % 2 != 0) throw FormatError(config.where() + ": head_dim must be even for rotary embedding");
}

/// The one kind of attention that all layers have: "" where layer_types is absent.
std::string layer_type(JsonObject& config, int64_t layers) {
  if (config.find("layer_types") == nullptr) return "";
  const std::vector<std::string> types = config.texts("layer_types");
  if (static_cast<int64_t>(types.size()) != layers) {
    throw FormatError(config.where() + ": layer_types names " + std::to_string(types.size()) + " layers, num_hidden_layers is " +
                      std::to_string(layers));
  }
  for (const std::string& type : types) {
    if (type != "full_attention" && type != "sliding_attention") {
      throw FormatError(config.where() + ": layer_types holds \"" + type +
                        "\", which is not supported; expected \"full_attention\" or \"sliding_attention\"");
    }
    if (type != types.front()) throw FormatError(config.where() + ": layer_types mixes kinds of attention; expected one for all layers");
  }
  return types.front();
}

}  // namespace

int64_t spelled(JsonObject& config, std::initializer_list<std::string_view> keys, int64_t low, int64_t high) {
  std::string_view found;
  int64_t value = 0;
  for (const std::string_view key : keys) {
    if (config.find(key) == nullptr) continue;
    const int64_t one = config.integer(key, low, high);
    if (!found.empty() && one != value) {
      throw FormatError(config.where() + ": keys \"" + std::string(found) + "\" and \"" + std::string(key) + "\" contradict each other");
    }
    found = key;
    value = one;
  }
  return found.empty() ? config.integer(*keys.begin(), low, high) : value;  // names the missing key
}

void refuse_window(JsonObject& config, int64_t layers) {
  if (config.flag_or("use_sliding_window", false)) {
    throw FormatError(config.where() + ": use_sliding_window true is not supported for this model; expected false");
  }
  if (layer_type(config, layers) == "sliding_attention") {
    throw FormatError(config.where() + ": layer_types with \"sliding_attention\" is not supported for this model");
  }
  config.harmless({"sliding_window", "max_window_layers"});  // of no meaning while use_sliding_window is off
}

int64_t read_window(JsonObject& config, int64_t layers, int64_t absent) {
  const bool full = layer_type(config, layers) == "full_attention";
  const bool there = config.find("sliding_window") != nullptr;
  const int64_t window = there ? config.integer("sliding_window", 1, kMaxPositions) : config.present("sliding_window") ? 0 : absent;
  return full ? 0 : window;
}

ModelShape read_shared_shape(JsonObject& config, const SharedRules& rules) {
  ModelShape shape;
  shape.arch = config.text("model_type");
  shape.vocab = config.integer("vocab_size", 1, kMaxWidth);
  shape.hidden = config.integer("hidden_size", 1, kMaxWidth);
  shape.layers = config.integer("num_hidden_layers", 1, kMaxLayers);
  read_heads(config, rules, shape);
  shape.max_positions = config.integer_or("max_position_embeddings", 4096, 1, kMaxPositions);
  shape.rms_eps = config.positive_or("rms_norm_eps", rules.rms_eps, kMaxEps);
  shape.rope = read_rope(config, rules.theta, shape.max_positions);
  shape.tied_embeddings = config.flag_or("tie_word_embeddings", false);
  shape.aux_loss = config.number_or("router_aux_loss_coef", 0, 0, 1e6);
  config.choice_or("hidden_act", "silu", {"silu", "swish"});  // two names of one function
  const bool bias = config.flag_or("attention_bias", false);
  if (bias && !rules.bias) throw FormatError(config.where() + ": attention_bias true is not supported for this model");
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
