#include "hellora/train/checkpoint.h"

#include "hellora/core/error.h"
#include "hellora/core/finite.h"
#include "hellora/core/json_object.h"
#include "hellora/core/json_text.h"
#include "hellora/io/paths.h"
#include "hellora/io/staged_folder.h"
#include "hellora/model/tensor_io.h"
#include "hellora/train/identity.h"

namespace hellora {
namespace {

constexpr const char* kFormat = "hellora.checkpoint/2";
constexpr const char* kTensors = "state.safetensors";
constexpr const char* kPrefix = "checkpoint-";
constexpr int64_t kMostSteps = int64_t{1} << 50, kMostTokens = int64_t{1} << 60;

std::string folder_name(int64_t step) {
  std::string digits = std::to_string(step);
  return kPrefix + std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
}

/// The step that a folder's name says, or -1.
int64_t named_step(const Path& folder) {
  const std::string name = folder.filename().string();
  constexpr size_t kMostDigits = 18;
  if (!name.starts_with(kPrefix)) return -1;
  const std::string digits = name.substr(std::string_view(kPrefix).size());
  const bool number = !digits.empty() && digits.size() <= kMostDigits && digits.find_first_not_of("0123456789") == std::string::npos;
  // lint: digits alone, and few of them
  return number && folder_name(std::stoll(digits)) == name ? std::stoll(digits) : -1;
}

/// Every tensor of the state by name, as views of the live buffers.
std::vector<std::pair<std::string, Tensor>> named_tensors(const StateTensors& state) {
  const AdapterSet& adapters = state.adapters;
  std::vector<std::pair<std::string, Tensor>> all;
  for (size_t p = 0; p < adapters.specs().size(); ++p) {
    const std::string& name = adapters.specs()[p].name;
    const Tensor param = adapters.param(p).detach();
    if (adapters.specs()[p].use == Use::frozen) all.emplace_back("frozen." + name, param);
    if (!adapters.trains(p)) continue;
    const auto same_place = [&](const Tensor& flat) { return flat.narrow(0, param.storage_offset(), param.numel()).view(param.sizes()); };
    all.emplace_back("param." + name, param);
    all.emplace_back("exp_avg." + name, same_place(state.optimizer.first_moment()));
    all.emplace_back("exp_avg_sq." + name, same_place(state.optimizer.second_moment()));
  }
  for (const auto& [name, tensor] : state.method) all.emplace_back("method." + name, tensor);
  if (state.load != nullptr) {
    all.emplace_back("load.counts", state.load->counts_LE);
    all.emplace_back("load.tokens", state.load->tokens_1);
  }
  if (state.audit == nullptr) return all;
  const std::vector<Tensor> counters = state.audit->state();
  const char* names[] = {"audit.rows", "audit.reach", "audit.grad_sq"};
  for (size_t i = 0; i < counters.size(); ++i) all.emplace_back(names[i], counters[i]);
  return all;
}

Json evaluations_json(const Evaluations& e) {
  return Json{{"data", e.data}, {"step", e.step}, {"best_step", e.best_step}, {"best_loss", e.best_loss}, {"stale", e.stale}};
}

Evaluations read_evaluations(const Json& json, const std::string& where, int64_t step) {
  JsonObject object(json, where + ": evaluations");
  Evaluations e;
  e.data = object.text("data");
  e.step = object.integer("step", 0, step);
  e.best_step = object.integer("best_step", 0, e.step);
  e.best_loss = object.number("best_loss", 0, 1e300);
  e.stale = object.integer("stale", 0, e.step);
  object.finish(Unknown::refuse);
  return e;
}

/// The value of a state tensor; what no run writes is refused.
Tensor checked_tensor(const SafetensorsFile& file, const std::string& name, const Tensor& like) {
  const std::string where = file.path().string() + ": tensor " + name;
  const TensorInfo* info = file.find(name);
  if (info == nullptr) throw FormatError(where + " is missing");
  if (info->shape != like.sizes().vec()) throw FormatError(where + " has another shape");
  Tensor value = read_tensor(*info, file.bytes(*info));
  if (value.scalar_type() != like.scalar_type()) {
    throw FormatError(where + " holds " + c10::toString(value.scalar_type()) + "; expected " + c10::toString(like.scalar_type()));
  }
  if (value.numel() == 0) return value;
  const double low = value.min().item<double>(), high = value.max().item<double>();  // both are NaN where one value is
  finite(low, where);
  finite(high, where);
  const bool signless = name.starts_with("exp_avg_sq.") || name.starts_with("audit.") || name.starts_with("load.");
  if (signless && !(low >= 0)) throw FormatError(where + " holds a negative value");
  return value;
}

void read_tensors(const Path& checkpoint, const StateTensors& state) {
  const at::NoGradGuard no_grad;
  const SafetensorsFile file(checkpoint / kTensors);
  auto tensors = named_tensors(state);
  // A run counted no loads before they were written; it begins to.
  std::erase_if(tensors, [&](const auto& named) { return named.first.starts_with("load.") && file.find(named.first) == nullptr; });
  for (const auto& [name, tensor] : tensors) checked_tensor(file, name, tensor);  // nothing is changed before all of it is known to be good
  std::vector<Tensor> counters;
  for (const auto& [name, tensor] : tensors) {
    const Tensor value = checked_tensor(file, name, tensor);
    if (name.starts_with("audit.")) {
      counters.push_back(value);
    } else {
      Tensor(tensor).copy_(value);
    }
  }
  if (state.audit != nullptr) state.audit->load_state(counters);
}

}  // namespace

bool Evaluations::take(int64_t at_step, double loss) {
  step = at_step;
  const bool better = best_step == 0 || loss < best_loss;
  stale = better ? 0 : stale + 1;
  if (!better) return false;
  best_step = at_step;
  best_loss = loss;
  return true;
}

void save_checkpoint(const Path& run_dir, const CheckpointState& state, const StateTensors& all, const AdapterWriter& write_adapter) {
  const Cursor& cursor = state.cursor;
  Json json{{"format", kFormat},
            {"step", cursor.step},
            {"epoch", cursor.epoch},
            {"batch", cursor.batch},
            {"tokens", cursor.tokens},
            {"phase", state.phase},
            {"length", {{"epochs", state.length.epochs}, {"max_steps", state.length.max_steps}, {"total", state.length.total}}},
            {"evaluations", evaluations_json(state.evaluations)},
            {"identity", state.identity}};
  if (cursor.forget) json["forget"] = {{"epoch", cursor.forget->epoch}, {"batch", cursor.forget->batch}};
  const auto tensors = named_tensors(all);
  // A checkpoint appears whole or not at all.
  write_staged(run_dir / folder_name(cursor.step), true, [&](const Path& folder) {
    std::vector<TensorBytes> bytes;
    for (const auto& [name, tensor] : tensors) bytes.push_back(tensor_bytes(name, tensor));
    write_safetensors(folder / kTensors, std::move(bytes), {{"format", kFormat}});
    write_text_atomic(folder / "state.json", dump_json(json, 1) + "\n");
    if (write_adapter) write_adapter(folder / "adapter", cursor.step);
    write_text_atomic(folder / "DONE", "");
  });
}

CheckpointState read_checkpoint_state(const Path& checkpoint) {
  const std::string where = (checkpoint / "state.json").string();
  const Json json = parse_json(read_text(checkpoint / "state.json"), where);
  JsonObject object(json, where);
  if (object.text("format") != kFormat) throw FormatError(where + ": format is not " + kFormat);
  CheckpointState state;
  Cursor& cursor = state.cursor;
  cursor.step = object.integer("step", 1, kMostSteps);
  cursor.epoch = object.integer("epoch", 0, cursor.step);  // an epoch has at least one step
  cursor.batch = object.integer("batch", 0, kMostTokens);
  cursor.tokens = object.integer("tokens", cursor.step, kMostTokens);
  if (object.has("optimizer_steps")) object.integer("optimizer_steps", cursor.step, cursor.step);  // of earlier versions
  constexpr int64_t kMostPhases = 1000;
  state.phase = object.integer_or("phase", 0, 0, kMostPhases);
  if (const Json* forget = object.find("forget"); forget != nullptr) {
    JsonObject stream(*forget, where + ": forget");
    cursor.forget = {stream.integer("epoch", 0, cursor.step), stream.integer("batch", 0, kMostTokens)};
    stream.finish(Unknown::refuse);
  }
  JsonObject length(object.at("length"), where + ": length");
  state.length.epochs = length.number("epochs", 0, 1e6);
  state.length.max_steps = length.integer("max_steps", 0, kMostSteps);
  state.length.total = length.integer("total", cursor.step, kMostSteps);
  length.finish(Unknown::refuse);
  state.evaluations = read_evaluations(object.at("evaluations"), where, cursor.step);
  state.identity = object.at("identity");
  const JsonObject identity(state.identity, where + ": identity");  // an object
  object.finish(Unknown::refuse);
  const int64_t named = named_step(checkpoint);
  if (named >= 0 && named != cursor.step)
    throw FormatError(where + ": step " + std::to_string(cursor.step) + " does not fit the folder's name");
  return state;
}

CheckpointState load_checkpoint(const Path& checkpoint, const Json& identity, const StateTensors& tensors) {
  CheckpointState state = read_checkpoint_state(checkpoint);
  const std::string difference = identity_difference(state.identity, identity, "the checkpoint");
  if (!difference.empty()) throw StateError(checkpoint.string() + ": the checkpoint belongs to another run: " + difference);
  read_tensors(checkpoint, tensors);
  tensors.optimizer.set_steps_done(state.cursor.step);
  return state;
}

std::map<int64_t, Path> list_checkpoints(const Path& run_dir) {
  std::map<int64_t, Path> all;
  if (!is_folder(run_dir)) return all;
  for (const Path& entry : list_folder(run_dir)) {
    const int64_t step = named_step(entry);
    if (step >= 0 && path_exists(entry / "DONE")) all.emplace(step, entry);
  }
  return all;
}

Path find_checkpoint(const Path& run_dir_or_checkpoint) {
  if (path_exists(run_dir_or_checkpoint / "state.json")) {
    if (!path_exists(run_dir_or_checkpoint / "DONE")) {
      throw StateError(run_dir_or_checkpoint.string() + ": the checkpoint is not complete (no DONE file)");
    }
    return run_dir_or_checkpoint;
  }
  const std::map<int64_t, Path> all = list_checkpoints(run_dir_or_checkpoint);
  return all.empty() ? Path() : all.rbegin()->second;
}

void prune_checkpoints(const Path& run_dir, const Retention& retention) {
  const std::map<int64_t, Path> all = list_checkpoints(run_dir);
  int64_t kept = 0;
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    const int64_t step = it->first;
    const bool regular = it == all.rbegin() || (retention.every > 0 && step % retention.every == 0);
    if (regular && (retention.limit == 0 || kept < retention.limit)) {
      ++kept;
    } else if (step != retention.best) {
      remove_path(it->second / "DONE");  // first, so that what a kill leaves is no checkpoint
      remove_tree(it->second);
    }
  }
}

}  // namespace hellora
