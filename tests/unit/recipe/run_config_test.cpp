// The configuration: precedence, aliases and their values, recipes, and a resolved file that reads back.
#include "hellora/recipe/run_config.h"

#include <cmath>
#include <cstdlib>

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

TEST(Alias, TargetsAreTranslatedUnderEverySpelling) {
  for (const char* key : {"adapter.targets", "targets", "lora_target_modules", "target_modules", "lora_target", "lora.target_modules",
                          "lora_parameters.keys"}) {
    EXPECT_EQ(Loaded(string(key) + ": [q_proj, self_attn.v_proj, mlp.gate]\n").config.adapter.targets, (Texts{"q", "v", "router"})) << key;
    EXPECT_EQ(Loaded("", {string(key) + "=q_proj,o_proj"}).config.adapter.targets, (Texts{"q", "o"})) << key;
    for (const char* all : {"all-linear", "all", "all_linear"})
      EXPECT_EQ(Loaded(string(key) + ": " + all + "\n").config.adapter.targets, (Texts{"all-linear"})) << key;
  }
  EXPECT_EQ(Loaded("lora_target_modules: [q_proj]\nlora_target_parameters: [mlp.experts.gate_up_proj, mlp.experts.down_proj]\n")
                .config.adapter.targets,
            (Texts{"q", "gate", "up", "down"}));
  EXPECT_EQ(Loaded("lora_target_parameters: [mlp.experts.down_proj]\nlora_target_modules: [q_proj]\n").config.adapter.targets,
            (Texts{"down", "q"}));
  EXPECT_EQ(Loaded("lora_target_modules: []\nlora_target_linear: true\n").config.adapter.targets, (Texts{"all-linear"}));
  EXPECT_EQ(Loaded("lora_target_modules: [shared_expert.gate_proj, kv_a_proj_with_mqa, w2]\n").config.adapter.targets,
            (Texts{"shared", "kv", "down"}));
}

TEST(Alias, NestedAndDashedSpellings) {
  const Loaded given(
      "train: {learning_rate: 2e-3, num_train_epochs: 3}\nlora: {r: 8, alpha: 16, use_rslora: True}\ntraining_args:\n  weight-decay: 0.1\n"
      "datasets:\n  - path: a.jsonl\n    type: chat_template\n  - path: b.jsonl\nbf16: false\ntemplate: chatml\nadapter: {lora_dropout: "
      "0.25}\n");
  EXPECT_EQ(given.config.train.lr, 2e-3);
  EXPECT_EQ(given.config.train.epochs, 3);
  EXPECT_EQ(given.config.adapter.rank, 8);
  EXPECT_EQ(given.config.adapter.alpha, 16);
  EXPECT_EQ(given.config.adapter.method, "rslora");
  EXPECT_EQ(given.config.adapter.dropout, 0.25);
  EXPECT_EQ(given.config.train.weight_decay, 0.1);
  EXPECT_EQ(given.config.data.train, (Texts{"a.jsonl", "b.jsonl"}));
  EXPECT_EQ(given.config.data.chat_template, "chatml");
  EXPECT_EQ(given.config.compute.weights, "fp32");
  EXPECT_EQ(Loaded("", {"learning-rate=1e-5"}).config.train.lr, 1e-5);
  EXPECT_CONTAINS(refusal<ConfigError>("train: {rank: 4}\n"), "unknown key \"train.rank\"");
  EXPECT_CONTAINS(refusal<ConfigError>("data: {learning_rate: 4}\n"), "unknown key");
}

TEST(Alias, SwitchesOfLoraNameTheMethod) {
  EXPECT_EQ(Loaded("adapter: lora\npeft_use_dora: true\n").config.adapter.method, "dora");
  EXPECT_EQ(Loaded("use_rslora: true\nfinetuning_type: lora\n").config.adapter.method, "rslora");
  EXPECT_EQ(Loaded("adapter: lora\nuse_dora: false\ninit_lora_weights: true\n").config.adapter.method, "lora");
  EXPECT_EQ(Loaded("init_lora_weights: pissa\n").config.adapter.method, "pissa");
  EXPECT_CONTAINS(refusal<ConfigError>("use_dora: true\nuse_rslora: true\n"), "keep one of them");
  EXPECT_CONTAINS(refusal<ConfigError>("init_lora_weights: olora\n"), "not supported");
}

TEST(Config, SettingsOfAnotherMethodAreRefused) {
  EXPECT_EQ(Loaded("adapter: {method: lori}\nadapter.lori.sparsity: 0.5\n").config.adapter.method, "lori");
  EXPECT_CONTAINS(refusal<ConfigError>("adapter.lori.sparsity: 0.5\n"), "a setting of another method; adapter.method is lora");
  EXPECT_CONTAINS(refusal<ConfigError>("adapter: {method: lori}\nadapter.lori.sparsity: 1\n"), "0 to 0.9999");
}

TEST(Alias, StepsScalesAndLimitsOfOtherTools) {
  EXPECT_EQ(Loaded("max_steps: -1\n").config.train.max_steps, 0);
  EXPECT_EQ(Loaded("lora_parameters: {rank: 8, scale: 20.0}\niters: 50\n").config.adapter.alpha, 160);
  EXPECT_EQ(Loaded("warmup_steps: 3\nmax_steps: 10\n").config.train.warmup_ratio, 0.3);
  EXPECT_EQ(Loaded("warmup_steps: 0\n").config.train.warmup_ratio, 0.03);
  EXPECT_EQ(Loaded("warmup_steps: 0.1\n").config.train.warmup_ratio, 0.1);
  for (const int total : {7, 10, 49, 1000}) {
    for (int steps = 1; steps <= total; steps += total > 20 ? total / 9 : 1) {
      const double ratio =
          Loaded("", {"warmup_steps=" + std::to_string(steps), "max_steps=" + std::to_string(total)}).config.train.warmup_ratio;
      EXPECT_EQ(std::ceil(ratio * total), steps) << total;
    }
  }
  EXPECT_CONTAINS(refusal<ConfigError>("warmup_steps: 10\n"), "train.warmup_ratio");
  EXPECT_CONTAINS(refusal<ConfigError>("warmup_steps: 11\nmax_steps: 10\n"), "0 to train.max_steps, 10");
  for (const char* bad : {"0", "-1", "nan", "2.5", "x", "99999999999999999999"})
    EXPECT_CONTAINS(refusal<ConfigError>(string("micro_batch_size: ") + bad + "\n"), "c.yaml:1: micro_batch_size");
}

TEST(Alias, WithoutEffectOrRefused) {
  const char* inert =
      "bf16: auto\nfp16: false\nreport_to: none\noptim: adamw_torch\nload_in_4bit: false\nload_in_8bit: No\nstage: sft\nflash_attn: auto\n"
      "wandb_project: null\ndeepspeed: ~\nlogging_steps: 1\ntrust_remote_code: true\ngradient_checkpointing_kwargs: {use_reentrant: "
      "false}\n"
      "optimizer: {name: adamw}\nlora_modules_to_save: []\nneftune_noise_alpha: 0.0\n";
  EXPECT_TRUE(Loaded(inert).config.given.empty());
  EXPECT_TRUE(Loaded("", {"report_to=none", "load_in_4bit=False", "fsdp=[]"}).config.given.empty());
  EXPECT_CONTAINS(refusal<ConfigError>("report_to: wandb\n"), "c.yaml:1: report_to: wandb is not supported; a run writes metrics.jsonl");
  EXPECT_CONTAINS(refusal<ConfigError>("load_in_4bit: true\n"), "compute.weights");
  EXPECT_CONTAINS(refusal<ConfigError>("optim: paged_adamw_8bit\n"), "AdamW with fp32 moments");
  EXPECT_CONTAINS(refusal<ConfigError>("stage: dpo\n"), "no preference pairs");
  EXPECT_CONTAINS(refusal<ConfigError>("fp16: true\n"), "fp16 is not supported");
  EXPECT_CONTAINS(refusal<ConfigError>("adapter: qlora\n"), "4-bit");
  EXPECT_CONTAINS(refusal<ConfigError>("lr_scheduler: cosine_with_restarts\n"), "expected one of cosine");
  EXPECT_CONTAINS(refusal<ConfigError>("fraction: 0.25\n"), "select.k=25%");
  EXPECT_CONTAINS(refusal<ConfigError>("selection_file: x.json\n"), "select.plan");
  EXPECT_CONTAINS(refusal<ConfigError>("", {"calibration_samples=128"}), "select.fraction");
  EXPECT_CONTAINS(refusal<ConfigError>("warmpu_steps: 3\n"), "train.warmup_ratio");
}

TEST(Conflict, OneSettingUnderTwoNames) {
  const string refused = refusal<ConfigError>("train.lr: 1e-3\nlearning_rate: 1e-4\n");
  EXPECT_CONTAINS(refused, "c.yaml:2: learning_rate sets train.lr to 1e-04, but train.lr");
  EXPECT_CONTAINS(refused, "c.yaml:1) to 0.001; keep one");
  EXPECT_CONTAINS(refusal<ConfigError>("lora_r: 4\nlora_rank: 8\n"), "keep one");
  EXPECT_CONTAINS(refusal<ConfigError>("train: {lr: 1, learning_rate: 2}\n"), "keep one");
  EXPECT_CONTAINS(refusal<ConfigError>("", {"lr=1e-3", "learning_rate=1e-4"}), "keep one");
  EXPECT_CONTAINS(refusal<ConfigError>("data.train: a.jsonl\ntrain_file: b.jsonl\n"), "keep one");
  EXPECT_CONTAINS(refusal<ConfigError>("bf16: true\ntorch_dtype: float32\n"), "keep one");
  EXPECT_CONTAINS(refusal<ConfigError>("micro_batch_size: 2\nper_device_train_batch_size: 4\n"), "keep one");
  EXPECT_CONTAINS(refusal<ConfigError>("warmup_steps: 2\nwarmup_ratio: 0.5\nmax_steps: 8\n"), "keep one");
  EXPECT_EQ(Loaded("train.lr: 0.0002\nlearning_rate: 2e-4\n").config.train.lr, 2e-4);   // the same value is no conflict
  EXPECT_EQ(Loaded("learning_rate: 1e-3\n", {"train.lr=2e-3"}).config.train.lr, 2e-3);  // an argument over the file, whatever the name
}

TEST(Null, IsTheDefault) {
  const Loaded given(
      "model: null\noutput: ~\ntrain:\n  lr:\n  epochs: Null\ndata: {train: null}\nadapter: {targets: ~, dropout: null}\nrecipe: "
      "lora\nlora_r: null\n");
  EXPECT_EQ(given.config.model + given.config.output, "");
  EXPECT_EQ(given.config.train.lr, 4e-4);
  EXPECT_TRUE(given.config.data.train.empty());
  EXPECT_EQ(given.config.adapter.dropout, 0.05);  // of the recipe
  EXPECT_EQ(given.config.given, (std::set<string>{"recipe"}));
  EXPECT_EQ(Loaded("train.lr: 1e-3\n", {"lr=null"}).config.train.lr, 4e-4);
  EXPECT_TRUE(Loaded("data.eval: ''\n").config.data.eval.empty());
  EXPECT_TRUE(Loaded("data.eval: e.jsonl\n", {"data.eval="}).config.data.eval.empty());
  EXPECT_CONTAINS(refusal<ConfigError>("data.train: ['', x]\n"), "an empty file name");
  EXPECT_CONTAINS(refusal<ConfigError>("lrr: null\n"), "unknown key");  // a name that nobody knows stays wrong
}

TEST(Home, IsExpandedInPaths) {
  ::setenv("HOME", "/home/someone", 1);
  const Loaded given("model: ~/m\noutput: '~/runs'\ndata: {train: [~/a.jsonl]}\n", {"select.plan=~/plan.json"});
  EXPECT_EQ(given.config.model, "/home/someone/m");
  EXPECT_EQ(given.config.output, "/home/someone/runs");
  EXPECT_EQ(given.config.data.train, (Texts{"/home/someone/a.jsonl"}));
  EXPECT_EQ(given.config.select.plan, "/home/someone/plan.json");
  EXPECT_EQ(Loaded("output: '~'\n").config.output, "/home/someone");
  EXPECT_CONTAINS(refusal<ConfigError>("output: ~other/runs\n"), "c.yaml:1: output: ~other/runs: homes of other users");
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

TEST(RunConfigFile, AnyTextReadsBack) {
  const Texts odd = {"? a",  "- b",  "a: b",  "null", "~x/y", "true",   "a\nb",         "a\tb",         " x ", "%y", "@z", "\x01",
                     "a #b", "'q'",  "\"q\"", "a\\b", "é",    "!t",     "&a",           "*a",           "x:",  ",",  "[x", "{x",
                     "1e3",  "0x10", "...",   "---",  "<<",   "a\r\nb", "\xc2\x85next", "tab\t: colon", "-",   ":",  "?"};
  for (const string& text : odd) {
    Loaded given("");
    given.config.model = "m";
    given.config.output = text;
    given.config.data.eval = {text, "b"};
    Loaded again("");
    const string yaml = config_yaml(&given.config);
    const TempFolder folder;
    ::setenv("HOME", "/h", 1);
    if (text.starts_with('~')) continue;
    load_config(&again.config, put_file(folder / "c.yaml", yaml), {});
    EXPECT_EQ(again.config.output, text) << yaml;
    EXPECT_EQ(again.config.data.eval.at(0), text) << yaml;
  }
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
