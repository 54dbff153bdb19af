#include "hellora/train/checkpoint.h"

#include <algorithm>
#include <filesystem>

#include "hellora/core/error.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

namespace fs = std::filesystem;
constexpr const char* kFormat = "hellora.checkpoint/1";
constexpr const char* kTensors = "state.safetensors";

std::string folder_name(int64_t step) {
  std::string digits = std::to_string(step);
  return "checkpoint-" + std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
}

/// Every tensor of the state by name, as views of the live buffers.
std::vector<std::pair<std::string, Tensor>> state_tensors(AdapterSet& adapters, AdamW& optimizer, const Audit* audit) {
  std::vector<std::pair<std::string, Tensor>> all;
  for (size_t p = 0; p < adapters.specs().size(); ++p) {
    const std::string& name = adapters.specs()[p].name;
    const Tensor param = adapters.param(p).detach();
    const auto same_place = [&](const Tensor& flat) { return flat.narrow(0, param.storage_offset(), param.numel()).view(param.sizes()); };
    all.emplace_back("param." + name, param);
    all.emplace_back("exp_avg." + name, same_place(optimizer.first_moment()));
    all.emplace_back("exp_avg_sq." + name, same_place(optimizer.second_moment()));
  }
  if (audit == nullptr) return all;
  const std::vector<Tensor> counters = audit->state();
  const char* names[] = {"audit.rows", "audit.reach", "audit.grad_sq"};
  for (size_t i = 0; i < counters.size(); ++i) all.emplace_back(names[i], counters[i]);
  return all;
}

void check_identity(const Json& saved, const Json& wanted, const std::string& where) {
  for (const auto& [key, value] : wanted.items()) {
    if (!saved.contains(key) || saved[key] != value) {
      throw StateError(where + ": the checkpoint belongs to another run: " + key + " is " +
                       (saved.contains(key) ? saved[key].dump() : "absent") + ", now " + value.dump());
    }
  }
}

}  // namespace

void save_checkpoint(const Path& run_dir, const Cursor& cursor, const Json& identity, AdapterSet& adapters, AdamW& optimizer,
                     const Audit* audit) {
  const Path final_folder = run_dir / folder_name(cursor.step);
  const Path folder = run_dir / (folder_name(cursor.step) + ".tmp");
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  make_folder(folder);
  const auto tensors = state_tensors(adapters, optimizer, audit);
  std::vector<TensorBytes> bytes;
  for (const auto& [name, tensor] : tensors) bytes.push_back(tensor_bytes(name, tensor));
  write_safetensors(folder / kTensors, std::move(bytes), {{"format", kFormat}});
  Json state{{"format", kFormat},     {"step", cursor.step},     {"epoch", cursor.epoch},
             {"batch", cursor.batch}, {"tokens", cursor.tokens}, {"optimizer_steps", optimizer.steps_done()},
             {"identity", identity}};
  write_text_atomic(folder / "state.json", state.dump(1) + "\n");
  write_text_atomic(folder / "DONE", "");
  fs::remove_all(final_folder, ignored);
  fs::rename(folder, final_folder);  // a checkpoint appears whole or not at all
}

Cursor load_checkpoint(const Path& checkpoint, const Json& identity, AdapterSet& adapters, AdamW& optimizer, Audit* audit) {
  const std::string where = (checkpoint / "state.json").string();
  const Json state = parse_json(read_text(checkpoint / "state.json"), where);
  if (string_member(state, "format", where) != kFormat) throw FormatError(where + ": format is not " + kFormat);
  check_identity(member(state, "identity", where), identity, where);
  const SafetensorsFile file(checkpoint / kTensors);
  std::vector<Tensor> counters;
  for (auto& [name, tensor] : state_tensors(adapters, optimizer, audit)) {
    const TensorInfo* info = file.find(name);
    if (info == nullptr) throw FormatError(file.path().string() + ": tensor " + name + " is missing");
    if (info->shape != tensor.sizes().vec()) throw FormatError(file.path().string() + ": tensor " + name + " has another shape");
    const Tensor value = read_tensor(*info, file.bytes(*info));
    if (name.starts_with("audit.")) {
      counters.push_back(value);
    } else {
      tensor.copy_(value);
    }
  }
  if (audit != nullptr) audit->load_state(counters);
  optimizer.set_steps_done(int_member(state, "optimizer_steps", where));
  return {int_member(state, "step", where), int_member(state, "epoch", where), int_member(state, "batch", where),
          int_member(state, "tokens", where)};
}

Path find_checkpoint(const Path& run_dir_or_checkpoint) {
  if (fs::exists(run_dir_or_checkpoint / "state.json")) {
    if (!fs::exists(run_dir_or_checkpoint / "DONE")) {
      throw StateError(run_dir_or_checkpoint.string() + ": the checkpoint is not complete (no DONE file)");
    }
    return run_dir_or_checkpoint;
  }
  Path best;
  if (!fs::is_directory(run_dir_or_checkpoint)) return best;
  int64_t best_step = -1;
  for (const auto& entry : fs::directory_iterator(run_dir_or_checkpoint)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("checkpoint-") || name.ends_with(".tmp") || !fs::exists(entry.path() / "DONE")) continue;
    const std::string where = (entry.path() / "state.json").string();
    const int64_t step = int_member(parse_json(read_text(where), where), "step", where);
    if (step > best_step) {
      best_step = step;
      best = entry.path();
    }
  }
  return best;
}

}  // namespace hellora
