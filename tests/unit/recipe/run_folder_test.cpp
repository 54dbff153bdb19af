// The output folder: one run at a time, a marker, and an --overwrite that takes nothing but a run's own files.
#include "hellora/recipe/run_folder.h"

#include <sys/wait.h>

#include "hellora/io/paths.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

namespace fs = std::filesystem;

void begin_run(const Path& folder) {
  RunFolder run(folder, Start::fresh);
  run.begin();
  put_file(folder / "config.yaml", "seed: 0\n");
}

TEST(RunFolderLock, RefusesASecondRunInEveryWay) {
  const TempFolder scratch;
  const Path folder = scratch / "run";
  RunFolder first(folder, Start::fresh);
  first.begin();
  put_file(folder / "config.yaml", "");
  for (const Start start : {Start::fresh, Start::overwrite, Start::resume}) {
    const std::string error = error_of<StateError>([&] { RunFolder second(folder, start); });
    EXPECT_CONTAINS(error, "run: in use by process " + std::to_string(::getpid()) + " on ");
  }
  fs::create_symlink("run", scratch / "link");
  EXPECT_CONTAINS(error_of<StateError>([&] { RunFolder second(scratch / "link", Start::resume); }), "in use by process");
  EXPECT_TRUE(path_exists(folder / "config.yaml"));
}

TEST(RunFolderLock, EndsWithTheProcessHoweverItDies) {
  const TempFolder scratch;
  const Path folder = scratch / "run";
  const pid_t child = ::fork();
  if (child == 0) {
    RunFolder run(folder, Start::fresh);
    run.begin();
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_CONTAINS(slurp(folder / kRunMarker), "held by process " + std::to_string(child));
  { RunFolder again(folder, Start::resume); }
  EXPECT_EQ(slurp(folder / kRunMarker).find("held"), std::string::npos);
}

TEST(RunFolderLock, LeavesNothingOfARunThatNeverBegan) {
  const TempFolder scratch;
  { RunFolder run(scratch / "a/b/c", Start::fresh); }
  EXPECT_EQ(scratch.entries(), 0U);
  fs::create_directory(scratch / "there");
  { RunFolder run(scratch / "there", Start::fresh); }
  EXPECT_TRUE(is_folder(scratch / "there"));
  EXPECT_TRUE(list_folder(scratch / "there").empty());
  begin_run(scratch / "run");
  const std::string marker = slurp(scratch / "run" / kRunMarker);
  { RunFolder run(scratch / "run", Start::overwrite); }  // bad input: begin() is never reached
  EXPECT_EQ(slurp(scratch / "run" / kRunMarker), marker);
  EXPECT_TRUE(path_exists(scratch / "run/config.yaml"));
}

TEST(RunFolderOverwrite, RemovesWhatARunWritesAndNothingElse) {
  const TempFolder scratch;
  const Path folder = scratch / "run";
  begin_run(folder);
  const std::vector<std::string> own = {"profile.json", "plan.json",    "metrics.jsonl",     "events.out.tfevents.1.host.2",
                                        "audit.json",   "summary.json", ".plan.json.tmp-7-0"};
  const std::vector<std::string> own_folders = {"checkpoint-000010",
                                                "checkpoint-1000000",
                                                "adapter",
                                                "model",
                                                "merged",
                                                "peft-full",
                                                "peft-fused",
                                                ".adapter.tmp-12",
                                                ".merged.tmp-7",
                                                ".checkpoint-000010.tmp-old",
                                                "checkpoint-000007.tmp"};
  const std::vector<std::string> foreign = {"notes.txt", "checkpoint-best", "plan.json.bak", ".git", "adapter2", ".env.tmp-1", "d.jsonl"};
  for (const auto& name : own) put_file(folder / name, "x");
  for (const auto& name : own_folders) {
    fs::create_directory(folder / name);
    put_file(folder / name / "file", "x");
  }
  for (const auto& name : foreign) put_file(folder / name, "x");
  fs::create_directory(scratch / "outside");
  put_file(scratch / "outside/kept", "x");
  fs::remove_all(folder / "merged");
  fs::create_directory_symlink(scratch / "outside", folder / "merged");
  RunFolder run(folder, Start::overwrite);
  run.begin();
  for (const auto& name : own) EXPECT_FALSE(path_exists(folder / name)) << name;
  for (const auto& name : own_folders) EXPECT_FALSE(path_exists(folder / name)) << name;
  for (const auto& name : foreign) EXPECT_TRUE(path_exists(folder / name)) << name;
  EXPECT_TRUE(path_exists(scratch / "outside/kept"));
}

TEST(RunFolderOverwrite, RefusesAFolderThatIsNoRun) {
  const TempFolder scratch;
  const Path project = scratch / "project";
  fs::create_directory(project);
  put_file(project / "config.yaml", "model: model\n");
  for (const char* marker : {"", "hellora", "something else\n"}) {
    if (*marker != 0) put_file(project / kRunMarker, marker);
    for (const Start start : {Start::fresh, Start::overwrite, Start::resume}) {
      const std::string error = error_of<Error>([&] { RunFolder run(project, start); });
      EXPECT_CONTAINS(error, project.string());
      EXPECT_EQ(error.find('\n'), std::string::npos);
    }
    EXPECT_TRUE(path_exists(project / "config.yaml"));
  }
  EXPECT_CONTAINS(error_of<ConfigError>([&] { RunFolder run(project / "config.yaml", Start::fresh); }), "is not a folder");
  EXPECT_CONTAINS(error_of<ConfigError>([&] { RunFolder run("", Start::fresh); }), "output");
  fs::create_symlink("loop", scratch / "loop");
  EXPECT_CONTAINS(error_of<DataError>([&] { RunFolder run(scratch / "loop", Start::fresh); }), "loop");
  EXPECT_CONTAINS(error_of<DataError>([&] { RunFolder run(scratch / std::string(300, 'x'), Start::fresh); }), "xxx");
}

TEST(RunFolderResume, RemovesWhatKilledProcessesLeft) {
  const TempFolder scratch;
  const Path folder = scratch / "run";
  begin_run(folder);
  for (const char* name : {"checkpoint-000003.tmp", ".checkpoint-000004.tmp-77", ".adapter.tmp-77"}) fs::create_directory(folder / name);
  put_file(folder / ".metrics.jsonl.tmp-1-2", "x");
  put_file(folder / "notes", "x");
  RunFolder run(folder, Start::resume);
  run.begin();
  EXPECT_EQ(list_folder(folder).size(), 3U);  // marker, config.yaml, notes
}

TEST(FindRun, WantsARunOrACheckpoint) {
  const TempFolder scratch;
  begin_run(scratch / "run");
  EXPECT_EQ(find_run(scratch / "run").folder, scratch / "run");
  EXPECT_EQ(find_run(scratch / "run").checkpoint, Path());
  fs::create_directory(scratch / "run/checkpoint-000004");
  put_file(scratch / "run/checkpoint-000004/state.json", "{}");
  EXPECT_CONTAINS(error_of<StateError>([&] { find_run(scratch / "run/checkpoint-000004"); }), "not complete (no DONE file)");
  put_file(scratch / "run/checkpoint-000004/DONE", "");
  EXPECT_EQ(find_run(scratch / "run/checkpoint-000004").checkpoint, scratch / "run/checkpoint-000004");
  EXPECT_TRUE(same_place(find_run(scratch / "run/checkpoint-000004").folder, scratch / "run"));
  fs::create_directory(scratch / "empty");
  fs::create_directory(scratch / "other");
  put_file(scratch / "other/config.yaml", "seed: 1\n");
  for (const char* name : {"empty", "other", "absent", "run/config.yaml"}) {
    EXPECT_CONTAINS(error_of<DataError>([&] { find_run(scratch / name); }), "no run folder or checkpoint to resume") << name;
  }
}

}  // namespace
}  // namespace hellora::testing
