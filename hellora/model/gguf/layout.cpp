#include "hellora/model/gguf/layout.h"

#include <array>
#include <cmath>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/model/config_reader.h"
#include "hellora/model/gguf/rope.h"

namespace hellora {
namespace {

constexpr int64_t kMaxHeads = 65536, kMaxPositions = int64_t{1} << 30;

int64_t rows_of(const GgufTensor& tensor) { return tensor.sizes.size() < 2 ? 1 : tensor.sizes[tensor.sizes.size() - 2]; }

/// The width of experts lies in their tensors; a key that names it must say the same.
int64_t width_of(GgufFile& file, const std::string& stem, const std::string& key) {
  for (const char* kind : {"_exps.weight", ".0.weight", "_shexp.weight", ".weight"}) {
    const GgufTensor* tensor = file.find(std::string(stem).append(kind));
    if (tensor == nullptr) continue;
    const int64_t rows = rows_of(*tensor);
    if (file.metadata().integer_or(key, rows, 1, kMaxWidth) != rows)
      throw FormatError(file.metadata().where(key) + " contradicts tensor " + dump_json(tensor->name) + " of " + std::to_string(rows) +
                        " rows");
    return rows;
  }
  return file.metadata().integer(key, 1, kMaxWidth);
}

void read_heads(GgufMetadata& keys, const std::string& prefix, ModelShape& shape) {
  shape.heads = keys.integer(prefix + "attention.head_count", 1, kMaxHeads);
  shape.kv_heads = keys.integer_or(prefix + "attention.head_count_kv", shape.heads, 1, kMaxHeads);
  const bool whole = shape.hidden % shape.heads == 0;
  const std::string key = prefix + "attention.key_length", value = prefix + "attention.value_length";
  shape.head_dim = whole ? keys.integer_or(key, shape.hidden / shape.heads, 2, kMaxHeads) : keys.integer(key, 2, kMaxHeads);
  if (keys.integer_or(value, shape.head_dim, 1, kMaxHeads) != shape.head_dim)
    throw FormatError(keys.where(value) + " must be that of the keys, " + std::to_string(shape.head_dim));
  const std::string rope = prefix + "rope.dimension_count";
  if (keys.integer_or(rope, shape.head_dim, 1, kMaxHeads) != shape.head_dim)
    throw FormatError(keys.where(rope) + ": partial rope is not supported; expected " + std::to_string(shape.head_dim));
}

/// The function of the router's scores, where a file says it: 1 is softmax.
void read_experts(GgufFile& file, const std::string& prefix, ModelShape& shape) {
  GgufMetadata& keys = file.metadata();
  shape.experts = keys.integer(prefix + "expert_count", 1, kMaxExperts);
  shape.router.top_k = keys.integer(prefix + "expert_used_count", 1, shape.experts);
  const std::string key = prefix + "expert_gating_func";
  if (keys.integer_or(key, 1, 0, 100) != 1) throw FormatError(keys.where(key) + " must be 1 (softmax); no other is supported");
}

void read_llama(GgufFile& file, const std::string& prefix, ModelShape& shape) {
  read_heads(file.metadata(), prefix, shape);
  const std::string count = prefix + "expert_count", width = prefix + "feed_forward_length";
  if (shape.arch == "llama") {
    file.metadata().harmless(count);
    file.metadata().harmless(prefix + "expert_used_count");
    shape.dense_width = file.metadata().integer(width, 1, kMaxWidth);
    shape.qkv_bias = shape.o_bias = file.find("blk.0.attn_q.bias") != nullptr;
    return;
  }
  read_experts(file, prefix, shape);
  shape.router.renormalize = true;
  shape.expert_width = width_of(file, "blk.0.ffn_gate", width);
}

void read_olmoe(GgufFile& file, const std::string& prefix, ModelShape& shape) {
  read_heads(file.metadata(), prefix, shape);
  read_experts(file, prefix, shape);
  shape.qk_norm = QkNorm::whole;
  shape.clip_qkv = file.metadata().number_or(prefix + "attention.clamp_kqv", 0, 0, 1e9);
  shape.expert_width = width_of(file, "blk.0.ffn_gate", prefix + "feed_forward_length");
  shape.router.renormalize = file.metadata().flag_or(prefix + "expert_weights_norm", false);
}

/// feed_forward_length is that of dense layers, which a file has none of.
void read_qwen_ffn(GgufFile& file, const std::string& prefix, bool renormalize, ModelShape& shape) {
  GgufMetadata& keys = file.metadata();
  read_heads(keys, prefix, shape);
  read_experts(file, prefix, shape);
  shape.expert_width = width_of(file, "blk.0.ffn_gate", prefix + "expert_feed_forward_length");
  shape.dense_width = keys.integer_or(prefix + "feed_forward_length", 0, 0, kMaxWidth);
  shape.router.renormalize = keys.flag_or(prefix + "expert_weights_norm", renormalize);
}

void read_qwen2moe(GgufFile& file, const std::string& prefix, ModelShape& shape) {
  read_qwen_ffn(file, prefix, false, shape);
  shape.qkv_bias = file.find("blk.0.attn_q.bias") != nullptr;
  shape.shared_width = rows_of(gguf_tensor(file, "blk.0.ffn_gate_shexp.weight"));
  shape.shared_gated = true;
  const std::string key = prefix + "expert_shared_feed_forward_length";
  if (file.metadata().integer_or(key, shape.shared_width, 1, kMaxWidth) != shape.shared_width)
    throw FormatError(file.metadata().where(key) + " contradicts tensor \"blk.0.ffn_gate_shexp.weight\"");
}

void read_qwen3moe(GgufFile& file, const std::string& prefix, ModelShape& shape) {
  read_qwen_ffn(file, prefix, true, shape);
  shape.qk_norm = QkNorm::per_head;
}

void read_deepseek_ffn(GgufFile& file, const std::string& prefix, ModelShape& shape) {
  GgufMetadata& keys = file.metadata();
  read_experts(file, prefix, shape);
  const int64_t dense = keys.integer_or(prefix + "leading_dense_block_count", 0, 0, shape.layers - 1);
  shape.dense_layers = dense_layers(shape.layers, [&](int64_t layer) { return layer < dense; });
  const std::string routed = std::string("blk.").append(std::to_string(dense)) + ".ffn_gate";
  shape.dense_width = keys.integer(prefix + "feed_forward_length", 1, kMaxWidth);
  shape.expert_width = width_of(file, routed, prefix + "expert_feed_forward_length");
  shape.shared_width = keys.integer_or(prefix + "expert_shared_count", 0, 0, 1024) * shape.expert_width;
  shape.router.renormalize = keys.flag_or(prefix + "expert_weights_norm", false);
}

void read_deepseek(GgufFile& file, const std::string& prefix, ModelShape& shape) {
  read_heads(file.metadata(), prefix, shape);
  read_deepseek_ffn(file, prefix, shape);
  file.metadata().number_or(prefix + "expert_weights_scale", 1, 1, 1);
}

/// Newer files describe the absorbed form, with one key of rank + rope values for all heads, and keep the heads' own sizes apart.
void read_latent(GgufMetadata& keys, const std::string& prefix, ModelShape& shape) {
  LatentShape& latent = shape.latent;
  latent.q_rank = keys.integer_or(prefix + "attention.q_lora_rank", 0, 0, kMaxWidth);
  latent.kv_rank = keys.integer(prefix + "attention.kv_lora_rank", 1, kMaxWidth);
  latent.rope = keys.integer(prefix + "rope.dimension_count", 2, kMaxHeads);
  const bool absorbed = keys.has(prefix + "attention.key_length_mla");
  const std::string suffix = absorbed ? "_mla" : "";
  shape.head_dim = keys.integer(prefix + "attention.key_length" + suffix, latent.rope + 1, kMaxHeads);
  latent.value = keys.integer(prefix + "attention.value_length" + suffix, 1, kMaxHeads);
  latent.nope = shape.head_dim - latent.rope;
  for (const char* key : {"attention.key_length", "attention.value_length", "attention.head_count_kv"}) keys.harmless(prefix + key);
}

void read_deepseek2(GgufFile& file, const std::string& prefix, ModelShape& shape) {
  GgufMetadata& keys = file.metadata();
  shape.heads = shape.kv_heads = keys.integer(prefix + "attention.head_count", 1, kMaxHeads);
  read_latent(keys, prefix, shape);
  read_deepseek_ffn(file, prefix, shape);
  shape.router.scale = keys.number_or(prefix + "expert_weights_scale", 1, 1e-6, 1e6);
  shape.router.groups = keys.integer_or(prefix + "expert_group_count", 1, 1, shape.experts);
  shape.router.top_groups = keys.integer_or(prefix + "expert_group_used_count", 1, 1, shape.router.groups);
}

constexpr auto kLayouts = std::to_array<GgufLayout>({
    {"llama", "llama", "mixtral", true, read_llama},
    {"qwen2moe", "qwen2_moe", "", false, read_qwen2moe},
    {"qwen3moe", "qwen3_moe", "", false, read_qwen3moe},
    {"olmoe", "olmoe", "", false, read_olmoe},
    {"deepseek", "deepseek", "", true, read_deepseek},
    {"deepseek2", "deepseek_v2", "", false, read_deepseek2},
});

}  // namespace

const GgufTensor& gguf_tensor(const GgufFile& file, const std::string& name) {
  const GgufTensor* tensor = file.find(name);
  if (tensor == nullptr) throw FormatError(file.path().string() + ": tensor " + dump_json(name) + " is missing");
  return *tensor;
}

const GgufLayout& find_gguf_layout(GgufFile& file) {
  GgufMetadata& keys = file.metadata();
  const std::string_view name = keys.text("general.architecture");
  std::vector<std::string> names;
  for (const GgufLayout& layout : kLayouts) {
    if (layout.architecture == name) return layout;
    names.emplace_back(layout.architecture);
  }
  throw FormatError(keys.where("general.architecture").append(": \"").append(name) + "\" is not supported; expected one of " +
                    join(names, ", "));
}

ModelShape read_gguf_shape(GgufFile& file, const GgufLayout& layout) {
  GgufMetadata& keys = file.metadata();
  const std::string prefix = std::string(layout.architecture) + ".";
  const std::string type(keys.text_or("general.type", "model"));
  if (type != "model") throw FormatError(keys.where("general.type") + ": \"" + type + "\" is no model; expected \"model\"");
  if (keys.integer_or("split.count", 1, 0, 65535) > 1)
    throw FormatError(keys.where("split.count") + ": one part of several; join them first (llama-gguf-split --merge)");
  ModelShape shape;
  const bool routed = !layout.routed_type.empty() && keys.integer_or(prefix + "expert_count", 0, 0, kMaxExperts) > 0;
  shape.arch = routed ? layout.routed_type : layout.model_type;
  shape.hidden = keys.integer(prefix + "embedding_length", 1, kMaxWidth);
  shape.layers = keys.integer(prefix + "block_count", 1, kMaxLayers);
  shape.max_positions = keys.integer(prefix + "context_length", 1, kMaxPositions);
  shape.rms_eps = keys.number(prefix + "attention.layer_norm_rms_epsilon", 1e-30, 0.1);
  shape.vocab = rows_of(gguf_tensor(file, "token_embd.weight"));
  if (keys.integer_or(prefix + "vocab_size", shape.vocab, 1, kMaxWidth) != shape.vocab)
    throw FormatError(keys.where(prefix + "vocab_size") + " contradicts tensor \"token_embd.weight\" of " + std::to_string(shape.vocab) +
                      " rows");
  shape.tied_embeddings = file.find("output.weight") == nullptr;
  layout.read(file, prefix, shape);
  shape.rope = read_gguf_rope(file, prefix, shape);
  return shape;
}

void meet_other_gguf_keys(GgufFile& file, const GgufLayout& layout) {
  GgufMetadata& keys = file.metadata();
  const std::string prefix = std::string(layout.architecture) + ".";
  for (const char* key : {"tensor_data_layout", "expert_shared_count"}) keys.harmless(prefix + key);
  std::vector<std::string> unknown;
  for (const std::string& key : keys.unread()) {
    if (key.starts_with(prefix)) throw FormatError(keys.where(key) + " is not known for this architecture, and might change the result");
    const bool notes = key.starts_with("general.") || key.starts_with("quantize.") || key.starts_with("split.");
    if (!notes && !key.ends_with("_token_id")) unknown.push_back(dump_json(key));
  }
  if (!unknown.empty()) log_warn(file.path().string() + ": not known and left out: " + join(unknown, ", "));
}

}  // namespace hellora
