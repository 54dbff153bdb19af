// The configuration: precedence, aliases and their values, recipes, and a resolved file that reads back.
#include "hellora/cli/run_config.h"

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;
using Texts = std::vector<string>;

/// What a file and arguments resolve to.
struct Loaded {
  explicit Loaded(const string& yaml, const Texts& arguments = {}) {
    load_config(&config, yaml.empty() ? Path() : put_file(folder / "c.yaml", yaml), arguments);
  }
  TempFolder folder;
  RunConfig config;
};

template <class Expected>
string refusal(const string& yaml, const Texts& arguments = {}) {
  return error_of<Expected>([&] { Loaded(yaml, arguments); });
}

TEST(Precedence, ArgumentsThenFileThenRecipeThenDefaults) {
  const string file = "recipe: hellora\nadapter:\n  alpha: 10\n  rank: 4\n";
  const Loaded given(file, {"adapter.rank=8"});
  EXPECT_EQ(given.config.adapter.rank, 8);                                                  // argument over file
  EXPECT_EQ(given.config.adapter.alpha, 10);                                                // file over recipe
  EXPECT_EQ(given.config.adapter.dropout, 0.05);                                            // recipe over default
  EXPECT_EQ(given.config.select.mode, "warmup");                                            // recipe
  EXPECT_EQ(given.config.train.beta1, 0.9);                                                 // default
  EXPECT_EQ(Loaded(file, {"adapter.alpha=7", "adapter.alpha=9"}).config.adapter.alpha, 9);  // the last argument wins
  EXPECT_EQ(Loaded("adapter.dropout: 0.2\nrecipe: lora\n").config.adapter.dropout, 0.2);    // a recipe never overrides, wherever it stands
  EXPECT_EQ(Loaded("adapter.dropout: 0\n", {"recipe=hellora"}).config.adapter.dropout, 0);  // even a value equal to the default
  EXPECT_EQ(Loaded("").config.adapter.dropout, 0);
  EXPECT_EQ(Loaded("recipe: lora\n").config.select.policy, "all");
}

TEST(Precedence, RemembersWhatTheUserGave) {
  const Loaded given("recipe: hellora\nlora_r: 4\n", {"seed=3"});
  EXPECT_EQ(given.config.given, (std::set<string>{"recipe", "adapter.rank", "seed"}));
}

TEST(Alias, SpellingsOfOtherToolsSetTheirKey) {
  const Loaded given(
      "base_model: m\noutput_dir: o\nlora_alpha: 12\nlora_dropout: 0.1\nsequence_len: 99\nsample_packing: false\n"
      "gradient_accumulation_steps: 3\nnum_epochs: 2\nmax_steps: 17\nlearning_rate: 0.002\nlr_scheduler: linear\nwarmup_ratio: 0.5\n"
      "weight_decay: 0.01\nmax_grad_norm: 4\nsave_steps: 5\neval_steps: 6\nlora_rank: 7\n");
  const RunConfig& c = given.config;
  EXPECT_EQ(c.model + c.output, "mo");
  EXPECT_EQ(c.adapter.alpha, 12);
  EXPECT_EQ(c.adapter.dropout, 0.1);
  EXPECT_EQ(c.adapter.rank, 7);
  EXPECT_EQ(c.data.max_length, 99);
  EXPECT_FALSE(c.data.packing);
  EXPECT_EQ(c.train.grad_accumulation, 3);
  EXPECT_EQ(c.train.epochs, 2);
  EXPECT_EQ(c.train.max_steps, 17);
  EXPECT_EQ(c.train.lr, 0.002);
  EXPECT_EQ(c.train.schedule, "linear");
  EXPECT_EQ(c.train.warmup_ratio, 0.5);
  EXPECT_EQ(c.train.weight_decay, 0.01);
  EXPECT_EQ(c.train.max_grad_norm, 4);
  EXPECT_EQ(c.train.save_steps, 5);
  EXPECT_EQ(c.train.eval_steps, 6);
}

TEST(Alias, TargetNamesAreTranslated) {
  const Texts want = {"q", "v", "router", "gate", "up", "down", "embed", "lm_head"};
  const string names = "q_proj, v_proj, gate, gate_proj, up_proj, down_proj, embed_tokens, lm_head";
  EXPECT_EQ(Loaded("lora_target_modules: [" + names + "]\n").config.adapter.targets, want);
  EXPECT_EQ(Loaded("", {"lora_target_modules=[" + names + "]"}).config.adapter.targets, want);
  EXPECT_EQ(Loaded("adapter.targets: [gate, up]\n").config.adapter.targets, (Texts{"gate", "up"}));  // our own names stay
}

TEST(Alias, TrainOnInputsTurnsIntoWhatIsLearned) {
  EXPECT_EQ(Loaded("train_on_inputs: true\n").config.data.train_on, "all");
  EXPECT_EQ(Loaded("train_on_inputs: false\n").config.data.train_on, "completion");
  EXPECT_CONTAINS(refusal<ConfigError>("train_on_inputs: maybe\n"), "c.yaml:1: train_on_inputs");
}

TEST(Alias, BatchSizesBecomeTokensOnceTheLengthIsKnown) {
  EXPECT_EQ(Loaded("micro_batch_size: 3\nsequence_len: 100\n").config.train.micro_batch_tokens, 300);
  EXPECT_EQ(Loaded("per_device_train_batch_size: 2\n", {"data.max_length=64"}).config.train.micro_batch_tokens, 128);
  EXPECT_EQ(Loaded("train.micro_batch_tokens: 77\n").config.train.micro_batch_tokens, 77);
}

TEST(RunConfigErrors, NameFileLineAndTheNearestKey) {
  EXPECT_CONTAINS(refusal<ConfigError>("adapter:\n  rnak: 4\n"), "c.yaml:2");
  EXPECT_CONTAINS(refusal<ConfigError>("adapter:\n  rnak: 4\n"), "adapter.rank");
  EXPECT_CONTAINS(refusal<ConfigError>("train.lr: 99\n"), "train.lr");
  EXPECT_CONTAINS(refusal<ConfigError>("recipe: helora\n"), "hellora");
  EXPECT_CONTAINS(refusal<ConfigError>("", {"train.lr"}), "expected key=value");
  EXPECT_CONTAINS(refusal<ConfigError>("", {"train.lrr=1"}), "train.lr");
  EXPECT_CONTAINS(refusal<ConfigError>("", {"seed=-1"}), "seed");
}

TEST(RunConfigFile, TheResolvedConfigurationReadsBack) {
  Loaded given(
      "recipe: hellora\nmodel: \"a b: c\"\noutput: \"-x#y\"\ndata:\n  train: [one.jsonl, \"two, three.jsonl\"]\nselect.k: 25%\n"
      "adapter:\n  targets: [q, v]\ntrain.lr: 0.000123456789\n");
  const string yaml = config_yaml(&given.config);
  Loaded again(yaml);
  EXPECT_EQ(config_yaml(&again.config), yaml);
  EXPECT_EQ(again.config.model, "a b: c");
  EXPECT_EQ(again.config.output, "-x#y");
  EXPECT_EQ(again.config.data.train, (Texts{"one.jsonl", "two, three.jsonl"}));
  EXPECT_EQ(again.config.train.lr, 0.000123456789);
}

TEST(RunConfigFile, NamesAreSplitAtSpacesAndFilesAreNot) {
  const Loaded file("data:\n  train: my data/one.jsonl\nadapter:\n  targets: q k v\n");
  EXPECT_EQ(file.config.data.train, (Texts{"my data/one.jsonl"}));
  EXPECT_EQ(file.config.adapter.targets, (Texts{"q", "k", "v"}));
  const Loaded argument("", {"data.train=my data/one.jsonl, two.jsonl"});
  EXPECT_EQ(argument.config.data.train, (Texts{"my data/one.jsonl", "two.jsonl"}));
}

TEST(RunConfigFile, LeavesTheRankOfAPlanUnsaid) {
  Loaded plain("select.plan: plan.json\n"), given("select.plan: plan.json\nadapter.rank: 4\n");
  EXPECT_EQ(config_yaml(&plain.config).find("  rank:"), string::npos);
  EXPECT_CONTAINS(config_yaml(&given.config), "  rank: 4\n");
}

}  // namespace
}  // namespace hellora::testing
