#include "hellora/model/adapter_file.h"

#include <cmath>
#include <map>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/printable.h"
#include "hellora/io/dtype.h"
#include "hellora/model/fused_layout.h"
#include "hellora/model/slots.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

/// The two tensors of one path.
struct Raw {
  const TensorInfo *a = nullptr, *b = nullptr;
  bool embedding = false;
};

/// Where a module path of the checkpoint lies in the model.
struct Place {
  int64_t layer;
  Slot slot;
  int64_t expert;
};

struct Suffix {
  std::string_view text;
  bool is_a, embedding;
};
constexpr Suffix kSuffixes[] = {{".lora_A.weight", true, false},
                                {".lora_B.weight", false, false},
                                {".lora_embedding_A", true, true},
                                {".lora_embedding_B", false, true}};

class Reader {
 public:
  Reader(const SafetensorsFile& file, const ModelShape& shape, const PeftConfig& config)
      : file_(file), where_(file.path().string()), shape_(shape), arch_(find_arch(shape.arch, where_)), config_(config) {}

  std::vector<FilePair> read() {
    for (const TensorInfo& tensor : file_.tensors()) collect(tensor);
    find_places();
    check_paths();
    for (const int64_t layer : routed_layers(shape_)) fused_layer(layer);
    for (const auto& [path, raw] : raws_) plain(path, raw);
    return std::move(pairs_);
  }

 private:
  [[noreturn]] void fail(const TensorInfo& tensor, const std::string& why) const {
    throw FormatError(where_ + ": tensor " + printable(tensor.name) + " " + why);
  }

  void collect(const TensorInfo& tensor) {
    if (!tensor.name.starts_with(kPeftPrefix)) fail(tensor, std::string("does not start with ") + kPeftPrefix);
    const std::string rest = tensor.name.substr(std::string_view(kPeftPrefix).size());
    for (const Suffix& suffix : kSuffixes) {
      if (!rest.ends_with(suffix.text)) continue;
      if (!at::isFloatingType(torch_dtype(tensor.dtype)))
        fail(tensor, std::string("holds ") + dtype_name(tensor.dtype) + "; expected BF16, F16, F32 or F64");
      if (tensor.shape.size() != 2 || tensor.shape[0] < 1 || tensor.shape[1] < 1)
        fail(tensor, "is " + sizes_text(tensor.shape) + "; it must be " + (suffix.is_a ? "(rank, in)" : "(out, rank)"));
      Raw& raw = raws_[rest.substr(0, rest.size() - suffix.text.size())];
      const TensorInfo*& half = suffix.is_a ? raw.a : raw.b;
      if (half != nullptr) fail(tensor, "stands beside " + printable(half->name) + "; one of them is expected");
      half = &tensor;
      raw.embedding = suffix.embedding;
      return;
    }
    fail(tensor, "is not a LoRA factor (expected …lora_A.weight or …lora_B.weight)");
  }

  void check_paths() const {
    for (const auto& [path, raw] : raws_) {
      if (!places_.contains(path) && !fused_paths_.contains(path)) no_module(path);
    }
    for (const auto& [path, raw] : raws_) {
      if (raw.a == nullptr) fail(*raw.b, "has no lora_A beside it");
      if (raw.b != nullptr) continue;
      std::string name = raw.a->name;
      name[name.rfind("_A") + 1] = 'B';
      throw FormatError(where_ + ": tensor " + printable(name) + " is missing");
    }
  }

  void find_places() {
    for_each_slot(shape_, [&](Slot slot, int64_t layer) {
      if (is_vector_slot(slot)) return;
      const bool expert = is_expert_slot(slot);
      for (int64_t e = expert ? 0 : -1; e < (expert ? shape_.experts : 0); ++e)
        places_[module_path(arch_, slot, layer, e)] = {layer, slot, e};
      if (slot == Slot::router) places_[fused_router_path(arch_, layer)] = {layer, slot, -1};
    });
    for (const int64_t layer : routed_layers(shape_)) {
      if (!fused_gate_up(layer) && !fused_down(layer)) continue;
      fused_paths_.insert(fused_keys(arch_, layer, fused_down(layer)).gate_up);
      fused_paths_.insert(fused_keys(arch_, layer, true).down);
    }
  }

  bool fused_gate_up(int64_t layer) const {
    return !arch_.fused_gate_up.empty() && config_.targets(fill_pattern(arch_.fused_gate_up, layer, -1));
  }
  bool fused_down(int64_t layer) const { return !arch_.fused_down.empty() && config_.targets(fill_pattern(arch_.fused_down, layer, -1)); }

  Tensor load(const TensorInfo& info) const { return read_tensor(info, file_.bytes(info)); }

  void check_rank(const TensorInfo& a, int64_t found, int64_t told) const {
    if (found != told) {
      throw FormatError(where_ + ": tensor " + printable(a.name) + " has rank " + std::to_string(found) + ", adapter_config.json says " +
                        std::to_string(told));
    }
  }

  void check_sizes(const TensorInfo& tensor, const std::vector<int64_t>& wanted) const {
    if (tensor.shape != wanted)
      fail(tensor, "has the wrong shape for this model: " + sizes_text(tensor.shape) + "; expected " + sizes_text(wanted));
  }

  void plain(const std::string& path, const Raw& raw) {
    const auto [layer, slot, expert] = places_.at(path);
    if (raw.embedding != (slot == Slot::embed)) fail(*raw.a, "is of another kind of module than " + path + " is");
    // A parameter that is adapted as such goes by its own name, "….weight".
    const std::string name = config_.targets(path + ".weight") ? path + ".weight" : path;
    const int64_t rank = raw.a->shape[0];
    check_rank(*raw.a, rank, config_.rank_of(name));
    const auto [in, out] = slot_sizes(shape_, slot);
    check_sizes(*raw.a, {rank, in});
    check_sizes(*raw.b, {out, rank});
    add({layer, slot, {expert, rank, config_.alpha_of(name), module_path(arch_, slot, layer, expert)}, [this_file = &file_, raw] {
           return std::pair(read_tensor(*raw.a, this_file->bytes(*raw.a)), read_tensor(*raw.b, this_file->bytes(*raw.b)));
         }});
  }

  [[noreturn]] void no_module(const std::string& path) const {
    std::string why;
    if (shape_.tied_embeddings && path == module_path(arch_, Slot::lm_head, -1))
      why = " (its head is tied to the embedding and cannot be adapted alone)";
    if (path.ends_with(".experts") || path.ends_with(".experts.base_layer"))
      why = " (a fused pair: target_parameters of adapter_config.json must name the parameters of the experts that are adapted)";
    throw FormatError(where_ + ": " + printable(path) + " is not a module of this " + shape_.arch + " model" + why);
  }

  void add(FilePair pair) {
    if (!taken_.insert(pair.member.path).second) throw FormatError(where_ + ": two pairs for the module " + pair.member.path);
    pairs_.push_back(std::move(pair));
  }

  /// The pairs of one fused parameter, cut into experts; ranks that do nothing are left out.
  struct Fused {
    ExpertPairs pairs;
    double scale = 0;
    std::vector<Slot> slots;
    int64_t out = 0;  // of one projection

    Tensor b(size_t slot, int64_t expert) const { return pairs.b_EOR[expert].narrow(0, static_cast<int64_t>(slot) * out, out); }
  };

  Fused take_fused(const std::string& key, std::string_view pattern, int64_t layer, std::vector<Slot> slots) {
    const auto it = raws_.find(key);
    if (it == raws_.end()) throw FormatError(where_ + ": tensor " + kPeftPrefix + key + ".lora_A.weight is missing");
    const Raw raw = it->second;
    raws_.erase(it);
    const auto [in, out] = slot_sizes(shape_, slots.front());
    const auto parts = static_cast<int64_t>(slots.size());
    const std::string parameter = fill_pattern(pattern, layer, -1);
    const int64_t rank = config_.rank_of(parameter);
    check_sizes(*raw.a, {rank * shape_.experts, in});
    check_sizes(*raw.b, {parts * out, rank * shape_.experts});
    const AdapterConfig scaling = config_.settings();
    return {expert_pairs(load(*raw.a), load(*raw.b), shape_.experts, where_ + ": " + key), scaling.scale(rank, config_.alpha_of(parameter)),
            std::move(slots), out};
  }

  void fused_layer(int64_t layer) {
    const bool gate_up = fused_gate_up(layer), down = fused_down(layer);
    const FusedKeys keys = fused_keys(arch_, layer, down);
    if (!raws_.contains(keys.gate_up) && !raws_.contains(keys.down)) return;  // one module per expert, or none
    std::vector<Fused> parts;
    if (gate_up) parts.push_back(take_fused(keys.gate_up, arch_.fused_gate_up, layer, {Slot::gate, Slot::up}));
    if (down) parts.push_back(take_fused(keys.down, arch_.fused_down, layer, {Slot::down}));
    // All projections of a layer adapt the same experts: those of which any does something; one of zeros where none does.
    std::vector<int64_t> experts;
    for (int64_t e = 0; e < shape_.experts; ++e) {
      if (std::any_of(parts.begin(), parts.end(), [&](const Fused& part) { return !live_ranks(part.pairs.b_EOR[e]).empty(); }))
        experts.push_back(e);
    }
    if (experts.empty()) experts.push_back(0);
    for (const Fused& part : parts) {
      for (size_t s = 0; s < part.slots.size(); ++s) {
        for (const int64_t e : experts) add_expert(part, s, layer, e);
      }
    }
  }

  void add_expert(const Fused& part, size_t s, int64_t layer, int64_t e) {
    std::vector<int64_t> ranks = live_ranks(part.b(s, e));
    if (ranks.empty()) ranks = {0};
    const auto rank = static_cast<int64_t>(ranks.size());
    const Tensor index_R = at::tensor(ranks, at::TensorOptions(at::kLong));
    const Tensor a_RI = part.pairs.a_ERI[e].index_select(0, index_R), b_OR = part.b(s, e).index_select(1, index_R);
    const auto share = static_cast<double>(rank);
    const double alpha = part.scale * config_.settings().rank_factor(share);  // the scale stays that of the whole pair
    add({layer, part.slots[s], {e, rank, alpha, module_path(arch_, part.slots[s], layer, e)}, [a_RI, b_OR] {
           return std::pair(a_RI, b_OR);
         }});
  }

  const SafetensorsFile& file_;
  std::string where_;
  const ModelShape& shape_;
  const Arch& arch_;
  const PeftConfig& config_;
  std::map<std::string, Raw> raws_;
  std::map<std::string, Place> places_;
  std::set<std::string> fused_paths_;  // of the parameters that target_parameters names
  std::set<std::string> taken_;
  std::vector<FilePair> pairs_;
};

}  // namespace

std::string peft_key(const ParamSpec& spec) { return (spec.place ? kPeftPrefix : "base_model.") + spec.name; }

std::string sizes_text(const std::vector<int64_t>& sizes) {
  std::string text = "(";
  for (size_t i = 0; i < sizes.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(sizes[i]);
  return text + ")";
}

std::vector<FilePair> read_pairs(const SafetensorsFile& file, const ModelShape& shape, const PeftConfig& config) {
  return Reader(file, shape, config).read();
}

}  // namespace hellora
