#include "hellora/model/stored.h"

#include <set>

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/hash_stream.h"
#include "hellora/core/json_text.h"
#include "hellora/core/rng.h"
#include "hellora/io/dtype.h"
#include "hellora/model/extra_tensors.h"
#include "hellora/model/slots.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

bool is_transposed(std::vector<int64_t> found, const std::vector<int64_t>& wanted) {
  if (found.size() < 2) return false;
  std::swap(found[found.size() - 1], found[found.size() - 2]);
  return found == wanted;
}

int64_t product(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

/// Walks the weights of a shape through a checkpoint and remembers which tensors were named.
class Walk {
 public:
  Walk(const Checkpoint& checkpoint, const ModelShape& shape)
      : checkpoint_(checkpoint), shape_(shape), arch_(find_arch(shape.arch, (checkpoint.folder() / "config.json").string())) {}

  std::vector<StoredWeight> weights() {
    whole(Slot::embed, -1);
    for (int64_t layer = 0; layer < shape_.layers; ++layer) this->layer(layer);
    whole(Slot::final_norm, -1);
    if (shape_.tied_embeddings) {
      StoredWeight head = out_.front();
      head.slot = Slot::lm_head;
      out_.push_back(std::move(head));
      check_tied_head(checkpoint_, shape_);
      named_.insert(parameter_name(arch_, Slot::lm_head, -1));
    } else {
      whole(Slot::lm_head, -1);
    }
    refuse_rest();
    return std::move(out_);
  }

 private:
  void layer(int64_t layer) {
    for (const Slot slot : layer_slots()) {
      if (has_slot(shape_, slot, layer) && !is_expert_slot(slot)) whole(slot, layer);
    }
    if (!shape_.routed(layer)) return;
    const std::string_view fused = arch_.fused_gate_up;
    if (!fused.empty() && checkpoint_.contains(fill_pattern(fused, layer, -1))) return fused_experts(layer);
    for (int64_t e = 0; e < shape_.experts; ++e) {
      for (const Slot slot : {Slot::gate, Slot::up, Slot::down}) whole(slot, layer, e);
    }
  }

  void whole(Slot slot, int64_t layer, int64_t expert = -1) {
    const auto [in, out] = slot_sizes(shape_, slot);
    std::vector<int64_t> wanted = is_vector_slot(slot)  ? std::vector<int64_t>{out}
                                  : slot == Slot::embed ? std::vector<int64_t>{in, out}
                                                        : std::vector<int64_t>{out, in};
    std::string name = parameter_name(arch_, slot, layer, expert);
    if (slot == Slot::router && !arch_.fused_router.empty() && !checkpoint_.contains(name)) {
      const std::string other = fill_pattern(arch_.fused_router, layer, -1) + ".weight";
      if (checkpoint_.contains(other)) name = other;
    }
    take(name, wanted);
    out_.push_back({slot, layer, expert, std::move(name), 0, std::move(wanted)});
  }

  /// The fused layout: (E, 2F, D) is gate's rows, then up's; (E, D, F) is down.
  void fused_experts(int64_t layer) {
    const int64_t e = shape_.experts, f = shape_.expert_width, d = shape_.hidden;
    const std::string down = fill_pattern(arch_.fused_down, layer, -1), both = fill_pattern(arch_.fused_gate_up, layer, -1);
    // Down first: where 2F = D a transposed gate_up has the right shape, but its down has not.
    take(down, {e, d, f});
    take(both, {e, 2 * f, d});
    for (int64_t i = 0; i < e; ++i) {
      out_.push_back({Slot::gate, layer, i, both, i * 2 * f * d, {f, d}});
      out_.push_back({Slot::up, layer, i, both, (i * 2 + 1) * f * d, {f, d}});
      out_.push_back({Slot::down, layer, i, down, i * d * f, {d, f}});
    }
  }

  void take(const std::string& name, const std::vector<int64_t>& wanted) {
    const TensorInfo& info = checkpoint_.info(name);
    if (info.shape != wanted) {
      throw FormatError(checkpoint_.folder().string() + ": tensor " + name + " has shape " + shape_text(info.shape) +
                        ", config.json asks for " + shape_text(wanted) +
                        (is_transposed(info.shape, wanted) ? "; it looks transposed" : ""));
    }
    if (!at::isFloatingType(torch_dtype(info.dtype))) {
      throw FormatError(checkpoint_.folder().string() + ": tensor " + name + " holds " + dtype_name(info.dtype) +
                        "; expected BF16, F16, F32 or F64");
    }
    named_.insert(name);
  }

  void refuse_rest() const {
    for (const std::string& name : checkpoint_.names()) {
      if (!named_.contains(name) && !is_harmless_tensor(name)) {
        throw FormatError(checkpoint_.folder().string() + ": tensor " + name + " does not belong to a " + std::string(arch_.model_type) +
                          " model of this config.json");
      }
    }
  }

  const Checkpoint& checkpoint_;
  const ModelShape& shape_;
  const Arch& arch_;
  std::vector<StoredWeight> out_;
  std::set<std::string> named_;
};

/// The tensor's place in its file, cut to a run of elements.
std::pair<const SafetensorsFile*, TensorInfo> cut(const Checkpoint& checkpoint, const std::string& name, int64_t first, int64_t count) {
  const TensorInfo& info = checkpoint.info(name);
  HELLORA_CHECK(first >= 0 && count >= 0 && first + count <= info.count(), "elements outside the tensor " + name);
  for (const auto& file : checkpoint.files()) {
    if (file->find(name) != &info) continue;
    TensorInfo part = info;
    part.begin = info.begin + static_cast<uint64_t>(first) * dtype_size(info.dtype);
    part.end = part.begin + static_cast<uint64_t>(count) * dtype_size(info.dtype);
    part.shape = {count};
    return {file.get(), part};
  }
  HELLORA_CHECK(false, "a tensor of the checkpoint lies in one of its files");
}

constexpr uint16_t kBf16Inf = 0x7F80, kBf16Nan = 0x7FC0, kBf16Magnitude = 0x7FFF;

/// bf16 values with one form of NaN: which one a conversion makes depends on the processor and on the place in the tensor.
Tensor hashed_form(const Tensor& values) {
  Tensor bf16 = values.to(at::kBFloat16).contiguous();
  const auto* bits = static_cast<const uint16_t*>(bf16.const_data_ptr());
  const int64_t count = bf16.numel();
  const auto is_nan = [](uint16_t b) { return (b & kBf16Magnitude) > kBf16Inf; };
  if (std::none_of(bits, bits + count, is_nan)) return bf16;
  bf16 = bf16.clone();
  auto* own = static_cast<uint16_t*>(bf16.mutable_data_ptr());
  std::replace_if(own, own + count, is_nan, kBf16Nan);
  return bf16;
}

}  // namespace

int64_t StoredWeight::count() const { return product(shape); }

std::vector<StoredWeight> stored_weights(const Checkpoint& checkpoint, const ModelShape& shape) {
  return Walk(checkpoint, shape).weights();
}

std::optional<StoredWeight> find_stored(const Checkpoint& checkpoint, const ModelShape& shape, const std::string& name) {
  if (checkpoint.contains(name)) return StoredWeight{Slot::embed, -1, -1, name, 0, checkpoint.info(name).shape};
  const Arch& arch = find_arch(shape.arch, checkpoint.folder().string());
  for (const int64_t layer : routed_layers(shape)) {
    const std::string router = arch.fused_router.empty() ? "" : fill_pattern(arch.fused_router, layer, -1) + ".weight";
    if (checkpoint.contains(router) && parameter_name(arch, Slot::router, layer) == name)
      return StoredWeight{Slot::router, layer, -1, router, 0, checkpoint.info(router).shape};
    for (const Slot slot : {Slot::gate, Slot::up, Slot::down}) {
      const std::string fused = fill_pattern(slot == Slot::down ? arch.fused_down : arch.fused_gate_up, layer, -1);
      if (!checkpoint.contains(fused)) continue;
      const auto [in, out] = slot_sizes(shape, slot);
      const int64_t size = in * out;
      for (int64_t e = 0; e < shape.experts; ++e) {
        if (parameter_name(arch, slot, layer, e) != name) continue;
        const int64_t first = slot == Slot::down ? e * size : (2 * e + (slot == Slot::up ? 1 : 0)) * size;
        return StoredWeight{slot, layer, e, fused, first, {out, in}};
      }
    }
  }
  return std::nullopt;
}

std::span<const std::byte> element_bytes(const Checkpoint& checkpoint, const std::string& name, int64_t first, int64_t count) {
  const auto [file, part] = cut(checkpoint, name, first, count);
  return file->bytes(part);
}

Tensor read_elements(const Checkpoint& checkpoint, const std::string& name, int64_t first, int64_t count) {
  const auto [file, part] = cut(checkpoint, name, first, count);
  return read_tensor(part, file->bytes(part));
}

void drop_elements(const Checkpoint& checkpoint, const std::string& name, int64_t first, int64_t count) {
  const auto [file, part] = cut(checkpoint, name, first, count);
  file->drop(part);
}

uint64_t values_hash(const std::vector<int64_t>& shape, const std::function<Tensor(int64_t first, int64_t count)>& read) {
  uint64_t state = mix64(static_cast<uint64_t>(at::kBFloat16), shape.size());
  for (const int64_t size : shape) state = mix64(state, static_cast<uint64_t>(size));
  HashStream stream(state);
  const int64_t count = product(shape);
  for (int64_t first = 0; first < count; first += kPiece) stream.add(raw_bytes(hashed_form(read(first, std::min(kPiece, count - first)))));
  return stream.value();
}

uint64_t content_hash(const Checkpoint& checkpoint, const ModelShape& shape) {
  uint64_t content = 0;
  for (const StoredWeight& weight : stored_weights(checkpoint, shape)) {
    const uint64_t one = values_hash(weight.shape, [&](int64_t first, int64_t count) {
      Tensor part = read_elements(checkpoint, weight.tensor, weight.first + first, count);
      drop_elements(checkpoint, weight.tensor, weight.first + first, count);
      return part;
    });
    content = mix64(content, one);
  }
  return content;
}

std::string model_hash(const ModelShape& shape, uint64_t content) {
  const uint64_t config =
      hash_string(dump_json(find_arch(shape.arch, "model hash").config(shape)));  // the writer names all that the reader reads
  return hex64(mix64(config, content));
}

}  // namespace hellora
