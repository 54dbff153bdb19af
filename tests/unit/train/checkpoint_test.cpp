// Checkpoints: exact resume, and the refusal of what does not belong or is not whole.
#include <filesystem>

#include "hellora/io/safetensors.h"
#include "hellora/model/tensor_io.h"
#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

namespace fs = std::filesystem;
using std::string;

AdapterConfig with_dropout() {
  AdapterConfig config = tiny_config();
  config.dropout = 0.1;
  return config;
}

/// A run of 8 steps over data of 3 steps an epoch that keeps a checkpoint of every other step.
struct Saved {
  Saved() : run(with_dropout()) {
    run.data = random_dataset(10, 12);
    run.job.config.max_steps = 8;
    run.job.config.save_steps = 2;
    run.job.run_dir = folder.path();
    run.go();
  }
  Path at(int64_t step) const { return folder / ("checkpoint-00000" + std::to_string(step)); }
  TempFolder folder;
  TinyRun run;
};

/// Loads a checkpoint into fresh state.
void load(const Path& checkpoint, const Json& identity, const AdapterConfig& config = with_dropout()) {
  TinyRun fresh(config);
  AdamW optimizer(*fresh.adapters, fresh.job.config);
  Audit audit(*fresh.model.decoder, *fresh.adapters);
  load_checkpoint(checkpoint, identity, {*fresh.adapters, optimizer, &audit});
}

TEST(CheckpointResume, GivesTheBytesOfAnUninterruptedRun) {
  const Saved saved;
  for (const int64_t step : {2, 4, 6}) {
    const TempFolder folder;
    TinyRun rest(with_dropout());
    rest.data = saved.run.data;
    rest.job.config = saved.run.job.config;
    rest.job.run_dir = folder.path();
    rest.job.resume = saved.at(step);
    const TrainResult result = rest.go();
    EXPECT_EQ(result.steps, 8);
    EXPECT_EQ(rest.losses, std::vector<double>(saved.run.losses.begin() + step, saved.run.losses.end()));
    EXPECT_TRUE(result.audit_passed);
    // Parameters, both moments and the audit's counters.
    EXPECT_EQ(slurp(folder / "checkpoint-000008" / "state.safetensors"), slurp(saved.at(8) / "state.safetensors")) << step;
    EXPECT_EQ(slurp(folder / "checkpoint-000008" / "state.json"), slurp(saved.at(8) / "state.json")) << step;
  }
}

TEST(CheckpointResume, CutsMetricsBackToItsStep) {
  const Saved saved;
  const auto lines = [&] {
    std::vector<string> out;
    for_each_json_line(saved.folder / "metrics.jsonl", [&](int64_t, const Json& line) {
      out.push_back(line["step"].dump() + " " + line["loss"].dump() + " " + line["grad_norm"].dump() + " " + line["tokens"].dump());
    });
    return out;
  };
  const std::vector<string> before = lines();
  EXPECT_EQ(before.size(), 8U);
  TinyRun rest(with_dropout());
  rest.data = saved.run.data;
  rest.job.config = saved.run.job.config;
  rest.job.run_dir = saved.folder.path();
  rest.job.resume = saved.at(4);
  rest.go();
  EXPECT_EQ(lines(), before);
}

TEST(CheckpointFind, TakesTheNewestCompleteOne) {
  const Saved saved;
  EXPECT_EQ(find_checkpoint(saved.folder.path()), saved.at(8));
  EXPECT_EQ(find_checkpoint(saved.at(4)), saved.at(4));
  fs::remove(saved.at(8) / "DONE");
  EXPECT_EQ(find_checkpoint(saved.folder.path()), saved.at(6));
  fs::rename(saved.at(6), saved.folder / "checkpoint-000006.tmp");  // what a kill leaves behind
  EXPECT_EQ(find_checkpoint(saved.folder.path()), saved.at(4));
  EXPECT_CONTAINS(error_of<StateError>([&] { find_checkpoint(saved.at(8)); }), "not complete (no DONE file)");
  const TempFolder empty;
  EXPECT_EQ(find_checkpoint(empty.path()), Path());
  EXPECT_EQ(find_checkpoint(empty / "absent"), Path());
}

TEST(CheckpointLoad, RefusesAnotherRun) {
  const Saved saved;
  const Json identity = saved.run.job.identity;
  load(saved.at(8), identity);
  for (const auto& [key, value] : identity.items()) {
    Json other = identity;
    other[key] = "another";
    const string error = error_of<StateError>([&] { load(saved.at(8), other); });
    EXPECT_CONTAINS(error, "belongs to another run: " + key + " is " + value.get<string>() + " in the checkpoint, now another");
  }
  Json more = identity;
  more["plan"] = "x";
  EXPECT_CONTAINS(error_of<StateError>([&] { load(saved.at(8), more); }), "plan is absent in the checkpoint, now x");
  AdapterConfig rank = with_dropout();
  rank.rank = 4;
  EXPECT_CONTAINS(error_of<FormatError>([&] { load(saved.at(8), identity, rank); }), "has another shape");
  EXPECT_CONTAINS(error_of<FormatError>([&] { load(saved.at(8), identity, tiny_config({"embed"})); }), "is missing");
}

TEST(CheckpointLoad, RefusesDamage) {
  const Saved saved;
  const Json identity = saved.run.job.identity;
  const Path tensors = saved.at(8) / "state.safetensors", json = saved.at(8) / "state.json";
  const string whole = slurp(tensors), state = slurp(json);
  for (const size_t length : {size_t{0}, size_t{7}, size_t{100}, whole.size() / 2, whole.size() - 1}) {
    put_file(tensors, whole.substr(0, length));
    EXPECT_CONTAINS(error_of<FormatError>([&] { load(saved.at(8), identity); }), "state.safetensors");
  }
  put_file(tensors, whole);
  for (const size_t length : {size_t{0}, state.size() / 2, state.size() - 3}) {
    put_file(json, state.substr(0, length));
    EXPECT_CONTAINS(error_of<FormatError>([&] { load(saved.at(8), identity); }), "state.json");
  }
  Json other = parse_json(state, "state");
  other["format"] = "hellora.checkpoint/9";
  put_file(json, other.dump());
  EXPECT_CONTAINS(error_of<FormatError>([&] { load(saved.at(8), identity); }), "format is not");
  fs::remove(json);
  EXPECT_CONTAINS(error_of<DataError>([&] { load(saved.at(8), identity); }), "state.json");
}

TEST(CheckpointLoad, RefusesNumbersThatNoRunWrites) {
  const Saved saved;
  const Path json = saved.at(8) / "state.json";
  const Json good = parse_json(slurp(json), "state");
  const std::vector<std::pair<string, Json>> bad = {{"/batch", -1},
                                                    {"/batch", int64_t{1} << 62},
                                                    {"/step", -4},
                                                    {"/step", 0},
                                                    {"/step", 7},
                                                    {"/step", int64_t{1} << 62},
                                                    {"/step", 8.5},
                                                    {"/epoch", -1},
                                                    {"/epoch", 9},
                                                    {"/tokens", -1},
                                                    {"/tokens", 3},
                                                    {"/optimizer_steps", 0},
                                                    {"/optimizer_steps", int64_t{1} << 62},
                                                    {"/length/total", 7},
                                                    {"/length/total", -1},
                                                    {"/length/epochs", -1},
                                                    {"/evaluations/stale", -1},
                                                    {"/evaluations/best_step", 9},
                                                    {"/evaluations/best_loss", nullptr},
                                                    {"/identity", 3},
                                                    {"/unheard", 1}};
  for (const auto& [where, value] : bad) {
    Json state = good;
    state[Json::json_pointer(where)] = value;
    put_file(json, state.dump());
    EXPECT_CONTAINS(error_of<FormatError>([&] { read_checkpoint_state(saved.at(8)); }), "state.json") << where << " " << value;
  }
  put_file(json, good.dump());
  EXPECT_EQ(read_checkpoint_state(saved.at(8)).cursor.step, 8);
}

/// In range each, but not reached together.
TEST(CheckpointLoad, RefusesACursorThatTheBatchesDoNotReach) {
  const Saved saved;
  const Path json = saved.at(8) / "state.json";
  const Json good = parse_json(slurp(json), "state");
  for (const auto& [epoch, batch] : std::vector<std::pair<int64_t, int64_t>>{{2, 1}, {1, 2}, {0, 3}, {2, 99}}) {
    Json state = good;
    state["epoch"] = epoch;
    state["batch"] = batch;
    put_file(json, state.dump());
    TinyRun rest(with_dropout());
    rest.data = saved.run.data;
    rest.job.config = saved.run.job.config;
    rest.job.resume = saved.at(8);
    EXPECT_CONTAINS(error_of<FormatError>([&] { rest.go(); }), "state.json") << epoch << " " << batch;
  }
}

TEST(CheckpointLoad, RefusesTensorsOfAnotherTypeOrWithNonsense) {
  const Saved saved;
  const Path path = saved.at(8) / "state.safetensors";
  const string whole = slurp(path);
  const auto rewrite = [&](const string& name, const std::function<Tensor(const Tensor&)>& change) {
    put_file(path, whole);
    const SafetensorsFile file(path);
    std::vector<std::pair<string, Tensor>> tensors;
    for (const TensorInfo& info : file.tensors()) {
      const Tensor value = read_tensor(info, file.bytes(info));
      tensors.emplace_back(info.name, info.name == name ? change(value) : value);
    }
    std::vector<TensorBytes> bytes;
    for (const auto& [tensor_name, tensor] : tensors) bytes.push_back(tensor_bytes(tensor_name, tensor));
    write_safetensors(path, std::move(bytes), {});
  };
  TinyRun fresh(with_dropout());
  const string name = fresh.adapters->specs()[0].name;
  const Json identity = saved.run.job.identity;
  rewrite("param." + name, [](const Tensor& t) { return t.to(at::kLong); });
  EXPECT_CONTAINS(error_of<FormatError>([&] { load(saved.at(8), identity); }), "param." + name + " holds Long");
  rewrite("param." + name, [](const Tensor& t) { return t * std::numeric_limits<float>::quiet_NaN(); });
  EXPECT_CONTAINS(error_of<CheckFailed>([&] { load(saved.at(8), identity); }), "param." + name + " is nan");
  rewrite("exp_avg_sq." + name, [](const Tensor& t) { return t - 1; });
  EXPECT_CONTAINS(error_of<FormatError>([&] { load(saved.at(8), identity); }), "exp_avg_sq." + name + " holds a negative value");
  rewrite("audit.rows", [](const Tensor& t) { return t - 1000000; });
  EXPECT_CONTAINS(error_of<FormatError>([&] { load(saved.at(8), identity); }), "audit.rows holds a negative value");
}

std::vector<int64_t> steps_in(const Path& folder) {
  std::vector<int64_t> steps;
  for (const auto& [step, path] : list_checkpoints(folder)) steps.push_back(step);
  return steps;
}

TEST(CheckpointPrune, KeepsTheNewestAndTheBest) {
  using Steps = std::vector<int64_t>;
  const auto left = [](const Retention& retention) {
    const Saved saved;  // 2 4 6 8
    prune_checkpoints(saved.folder.path(), retention);
    return steps_in(saved.folder.path());
  };
  EXPECT_EQ(left({2, 2, 0}), (Steps{6, 8}));
  EXPECT_EQ(left({1, 2, 4}), (Steps{4, 8}));
  EXPECT_EQ(left({1, 2, 8}), (Steps{8}));
  EXPECT_EQ(left({0, 4, 2}), (Steps{2, 4, 8}));  // 6 is none of the regular ones: it was a best one once, or saved by Ctrl-C
  EXPECT_EQ(left({9, 2, 0}), (Steps{2, 4, 6, 8}));
}

TEST(CheckpointSave, LeavesNothingWhenItFails) {
  const TempFolder folder;
  TinyRun run(with_dropout());
  run.job.run_dir = folder.path();
  run.job.config.save_steps = 2;
  run.job.write_adapter = [](const Path&, int64_t) { throw DataError("cannot write: no space"); };
  EXPECT_CONTAINS(error_of<DataError>([&] { run.go(); }), "no space");
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    const string name = entry.path().filename().string();
    EXPECT_EQ(name.find("checkpoint"), string::npos) << name;
  }
}

}  // namespace
}  // namespace hellora::testing
