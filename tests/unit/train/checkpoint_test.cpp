// Checkpoints: exact resume, and the refusal of what does not belong or is not whole.
#include <filesystem>

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
  load_checkpoint(checkpoint, identity, *fresh.adapters, optimizer, &audit);
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
    EXPECT_CONTAINS(error, "belongs to another run: " + key + " is " + value.dump() + ", now \"another\"");
  }
  Json more = identity;
  more["plan"] = "x";
  EXPECT_CONTAINS(error_of<StateError>([&] { load(saved.at(8), more); }), "plan is absent");
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

}  // namespace
}  // namespace hellora::testing
