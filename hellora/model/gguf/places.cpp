#include "hellora/model/gguf/places.h"

#include <array>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/model/arch.h"
#include "hellora/model/gguf/layout.h"
#include "hellora/model/gguf/rope.h"
#include "hellora/model/slots.h"

namespace hellora {
namespace {

constexpr auto kNames = std::to_array<SlotPath>({
    {Slot::embed, "token_embd.weight"},
    {Slot::final_norm, "output_norm.weight"},
    {Slot::lm_head, "output.weight"},
    {Slot::input_norm, "blk.{L}.attn_norm.weight"},
    {Slot::post_norm, "blk.{L}.ffn_norm.weight"},
    {Slot::q, "blk.{L}.attn_q.weight"},
    {Slot::k, "blk.{L}.attn_k.weight"},
    {Slot::v, "blk.{L}.attn_v.weight"},
    {Slot::o, "blk.{L}.attn_output.weight"},
    {Slot::q_bias, "blk.{L}.attn_q.bias"},
    {Slot::k_bias, "blk.{L}.attn_k.bias"},
    {Slot::v_bias, "blk.{L}.attn_v.bias"},
    {Slot::o_bias, "blk.{L}.attn_output.bias"},
    {Slot::q_norm, "blk.{L}.attn_q_norm.weight"},
    {Slot::k_norm, "blk.{L}.attn_k_norm.weight"},
    {Slot::q_a, "blk.{L}.attn_q_a.weight"},
    {Slot::q_a_norm, "blk.{L}.attn_q_a_norm.weight"},
    {Slot::q_b, "blk.{L}.attn_q_b.weight"},
    {Slot::kv_a, "blk.{L}.attn_kv_a_mqa.weight"},
    {Slot::kv_a_norm, "blk.{L}.attn_kv_a_norm.weight"},
    {Slot::kv_b, "blk.{L}.attn_kv_b.weight"},
    {Slot::router, "blk.{L}.ffn_gate_inp.weight"},
    {Slot::gate, "blk.{L}.ffn_gate_exps.weight"},
    {Slot::up, "blk.{L}.ffn_up_exps.weight"},
    {Slot::down, "blk.{L}.ffn_down_exps.weight"},
    {Slot::shared_router, "blk.{L}.ffn_gate_inp_shexp.weight"},
    {Slot::shared_gate, "blk.{L}.ffn_gate_shexp.weight"},
    {Slot::shared_up, "blk.{L}.ffn_up_shexp.weight"},
    {Slot::shared_down, "blk.{L}.ffn_down_shexp.weight"},
    {Slot::dense_gate, "blk.{L}.ffn_gate.weight"},
    {Slot::dense_up, "blk.{L}.ffn_up.weight"},
    {Slot::dense_down, "blk.{L}.ffn_down.weight"},
});

// Older files keep each expert by itself.
constexpr auto kSingleExperts = std::to_array<SlotPath>({
    {Slot::gate, "blk.{L}.ffn_gate.{E}.weight"},
    {Slot::up, "blk.{L}.ffn_up.{E}.weight"},
    {Slot::down, "blk.{L}.ffn_down.{E}.weight"},
});

template <size_t Count>
std::string name_of(const std::array<SlotPath, Count>& names, Slot slot, int64_t layer, int64_t expert = -1) {
  for (const SlotPath& one : names) {
    if (one.slot == slot) return fill_pattern(one.path, layer, expert);
  }
  HELLORA_CHECK(false, "a slot has a GGUF name");
}

std::string shown(const std::vector<int64_t>& sizes) {
  std::string out = "(";
  for (size_t i = 0; i < sizes.size(); ++i) out.append(i > 0 ? ", " : "").append(std::to_string(sizes[i]));
  return out + ")";
}

/// Leading sizes of 1 say nothing.
std::vector<int64_t> bare(std::vector<int64_t> sizes) {
  while (sizes.size() > 1 && sizes.front() == 1) sizes.erase(sizes.begin());
  return sizes;
}

class Walk {
 public:
  Walk(const GgufFile& file, const ModelShape& shape, bool permuted)
      : file_(file), shape_(shape), arch_(find_arch(shape.arch, file.path().string())), permuted_(permuted) {}

  std::vector<GgufPlace> places() {
    for_each_slot(shape_, [&](Slot slot, int64_t layer) {
      if (is_expert_slot(slot)) {
        experts(slot, layer);
      } else if (slot == Slot::kv_b && file_.find(part_of_kv(layer, 'k')) != nullptr) {
        split_kv(layer);
      } else {
        place(slot, layer, -1, take(name_of(kNames, slot, layer), sizes_of(slot)), 0);
      }
    });
    refuse_rest();
    return std::move(out_);
  }

 private:
  /// As the hub has them.
  std::vector<int64_t> sizes_of(Slot slot) const {
    const auto [in, out] = slot_sizes(shape_, slot);
    if (is_vector_slot(slot)) return {out};
    return slot == Slot::embed ? std::vector<int64_t>{in, out} : std::vector<int64_t>{out, in};
  }

  const GgufTensor& take(const std::string& name, const std::vector<int64_t>& wanted) {
    const GgufTensor& tensor = gguf_tensor(file_, name);
    if (bare(tensor.sizes) != bare(wanted)) {
      throw FormatError(file_.path().string() + ": tensor " + dump_json(name) + " has sizes " + shown(tensor.sizes) +
                        ", the metadata ask for " + shown(wanted));
    }
    taken_.insert(name);
    return tensor;
  }

  void place(Slot slot, int64_t layer, int64_t expert, const GgufTensor& tensor, int64_t first) {
    GgufPlace one{parameter_name(arch_, slot, layer, expert), sizes_of(slot), &tensor};
    one.first = first;
    one.width = one.sizes.back();
    one.rows = one.sizes.size() > 1 ? one.sizes.front() : 1;
    const bool rotated = slot == Slot::q || slot == Slot::k || slot == Slot::q_bias || slot == Slot::k_bias;
    if (permuted_ && rotated) one.paired_rows = shape_.head_dim;
    out_.push_back(std::move(one));
  }

  void experts(Slot slot, int64_t layer) {
    const std::vector<int64_t> sizes = sizes_of(slot);
    const std::string fused = name_of(kNames, slot, layer);
    const bool single = file_.find(fused) == nullptr && file_.find(name_of(kSingleExperts, slot, layer, 0)) != nullptr;
    const GgufTensor* all = single ? nullptr : &take(fused, {shape_.experts, sizes[0], sizes[1]});
    for (int64_t e = 0; e < shape_.experts; ++e) {
      const GgufTensor& tensor = single ? take(name_of(kSingleExperts, slot, layer, e), sizes) : *all;
      place(slot, layer, e, tensor, single ? 0 : e * sizes[0] * sizes[1]);
    }
  }

  static std::string part_of_kv(int64_t layer, char part) {
    return std::string("blk.").append(std::to_string(layer)).append(".attn_").append(1, part).append("_b.weight");
  }

  void split_kv(int64_t layer) {
    const LatentShape& latent = shape_.latent;
    const GgufTensor& keys = take(part_of_kv(layer, 'k'), {shape_.heads, latent.kv_rank, latent.nope});
    const GgufTensor& values = take(part_of_kv(layer, 'v'), {shape_.heads, latent.value, latent.kv_rank});
    place(Slot::kv_b, layer, -1, keys, 0);
    out_.back().values = &values;
  }

  void refuse_rest() const {
    for (const GgufTensor& tensor : file_.tensors()) {
      const bool derived = tensor.name == kRopeFactors || tensor.name.ends_with(".attn_rot_embd");  // read, or computed from the keys
      if (!derived && !taken_.contains(tensor.name)) {
        throw FormatError(file_.path().string() + ": tensor " + dump_json(tensor.name) + " has no place in a " +
                          std::string(arch_.model_type) + " model of these metadata");
      }
    }
  }

  const GgufFile& file_;
  const ModelShape& shape_;
  const Arch& arch_;
  const bool permuted_;
  std::set<std::string> taken_;
  std::vector<GgufPlace> out_;
};

}  // namespace

std::vector<GgufPlace> gguf_places(const GgufFile& file, const ModelShape& shape, bool permuted) {
  return Walk(file, shape, permuted).places();
}

}  // namespace hellora
