#include "hellora/model/extra_tensors.h"

#include <algorithm>
#include <cstring>

#include "hellora/core/error.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

constexpr std::string_view kBuffers[] = {
    "rotary_emb.inv_freq", "rotary_emb.original_inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached",   "attn.masked_bias",
    "attn.bias",           "attention.masked_bias",        "attention.bias",        "embeddings.position_ids", "model.position_ids"};

bool same_values(const Checkpoint& checkpoint, const TensorInfo& a, const TensorInfo& b) {
  const std::span<const std::byte> one = checkpoint.bytes(a.name), two = checkpoint.bytes(b.name);
  if (a.dtype == b.dtype) return one.size() == two.size() && std::memcmp(one.data(), two.data(), one.size()) == 0;
  return at::equal(read_tensor(a, one, at::kDouble), read_tensor(b, two, at::kDouble));
}

}  // namespace

bool is_harmless_tensor(std::string_view name) {
  return std::any_of(std::begin(kBuffers), std::end(kBuffers), [&](std::string_view buffer) {
    if (!name.ends_with(buffer)) return false;
    const std::string_view before = name.substr(0, name.size() - buffer.size());
    return before.empty() || before.back() == '.' || before.ends_with("self_");
  });
}

void check_tied_head(const Checkpoint& checkpoint, const ModelShape& shape) {
  const Arch& arch = find_arch(shape.arch, checkpoint.folder().string());
  const std::string head = parameter_name(arch, Slot::lm_head, -1), embed = parameter_name(arch, Slot::embed, -1);
  if (!shape.tied_embeddings || !checkpoint.contains(head)) return;
  const bool same =
      checkpoint.info(head).shape == checkpoint.info(embed).shape && same_values(checkpoint, checkpoint.info(head), checkpoint.info(embed));
  checkpoint.drop(head);
  checkpoint.drop(embed);
  if (same) return;
  throw FormatError(checkpoint.folder().string() + ": config.json ties the head to the embedding, but tensor " + head + " differs from " +
                    embed + "; set tie_word_embeddings to false to use the stored head, or remove the tensor");
}

}  // namespace hellora
