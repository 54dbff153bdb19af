// The configuration: the manual against the declared fields, and the table of other tools' spellings.
#include "hellora/cli/config_table.h"
#include "hellora/recipe/spellings.h"

#include <set>

#include "hellora/core/text.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

class Configuration : public ::testing::Test {
 protected:
  RunConfig config_;
  Fields fields_ = config_fields(&config_);
};

/// The table of the manual is the one that `hellora config --markdown` prints.
TEST_F(Configuration, TheManualHoldsEveryKeyWithDefaultAndRange) {
  const string manual = slurp("docs/configuration.md");
  const string table = fields_markdown(fields_);
  for (const string& line : split(table, '\n')) EXPECT_TRUE(manual.find(line) != string::npos) << "missing: " << line;
  size_t rows = 0;
  for (const string& line : split(manual, '\n')) {
    if (!line.starts_with("| `") || line.find('.') == string::npos) continue;
    const string key = line.substr(3, line.find('`', 3) - 3);
    if (key.find('.') == string::npos || key.find(' ') != string::npos) continue;
    ++rows;
    EXPECT_TRUE(look_up(fields_, key)) << key << " stands in the manual and does not exist";
  }
  EXPECT_GT(rows, 30U);
}

/// Words like `train.lr` anywhere in the manuals name keys that exist.
TEST_F(Configuration, TheManualNamesNoKeyThatDoesNotExist) {
  for (const char* file : {"docs/configuration.md", "docs/commands.md", "README.md"}) {
    const string text = slurp(file);
    for (const char* section : {"data.", "select.", "adapter.", "train.", "compute."}) {
      const string open = string("`") + section;
      for (size_t at = text.find(open); at != string::npos; at = text.find(open, at + 1)) {
        const size_t begin = at + 1, end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.0123456789", begin);
        const string key = text.substr(begin, end - begin);
        if (key.ends_with('.') || key.ends_with(".jsonl") || key.ends_with(".json") || key.ends_with(".cpp") || key.ends_with(".h"))
          continue;
        EXPECT_TRUE(look_up(fields_, key)) << file << ": " << key;
      }
    }
  }
}

TEST_F(Configuration, EveryFieldIsExplained) {
  for (const Field& field : fields_.all()) {
    EXPECT_GT(field.help.size(), 4U) << field.key;
    EXPECT_FALSE(field.accepts.empty()) << field.key;
    const string text = field_details(fields_, field);
    EXPECT_CONTAINS(text, "default");
    for (const string& line : split(text, '\n')) EXPECT_LE(line.size(), 110U) << line;
    EXPECT_EQ(look_up(fields_, field.key)->field, &field);
  }
}

TEST_F(Configuration, EverySpellingIsUniqueAndLeadsSomewhere) {
  std::set<string> names;
  for (const Spelling& row : spellings()) {
    const string name(row.name);
    EXPECT_TRUE(names.insert(name).second) << name << " stands twice";
    const auto meaning = look_up(fields_, name);
    ASSERT_TRUE(meaning) << name;
    EXPECT_EQ(meaning->spelling, &row) << name << " is hidden by another meaning";
    if (row.key.empty()) {
      EXPECT_GT(row.why.size(), 10U) << name;
    } else {
      ASSERT_NE(meaning->field, nullptr) << name;
      EXPECT_EQ(meaning->field->key, row.key) << name;
    }
  }
  EXPECT_GE(names.size(), 108U);
}

TEST_F(Configuration, UsualSpellingsOfPeersHaveAMeaning) {
  const char* usual =
      "rank scale lora_target_parameters max_length batch_size iters warmup_steps optimizer optim bf16 logging_steps save_total_limit "
      "resume_from_checkpoint packing wandb_project report_to lr epochs alpha target_modules lora_target datasets dataset train_file "
      "chat_template template use_rslora adapter finetuning_type load_in_4bit flash_attn eval_strategy save_strategy router_aux_loss_coef "
      "group_by_length dataloader_num_workers stage fraction coverage_pct budget_frac selection_file score calibration_samples lora_r "
      "lora_alpha "
      "learning_rate num_train_epochs per_device_train_batch_size gradient_accumulation_steps base_model model_name_or_path output_dir "
      "cutoff_len "
      "sequence_len micro_batch_size num_epochs lr_scheduler_type gradient_checkpointing val_set_size deepspeed fsdp tf32 fp16 dropout "
      "targets";
  for (const string& name : split(usual, ' ')) EXPECT_TRUE(look_up(fields_, name)) << name;
}

TEST_F(Configuration, AliasesOfAKeyAreItsOwn) {
  for (const Field& field : fields_.all()) {
    for (const string& name : aliases_of(fields_, field.key)) EXPECT_EQ(look_up(fields_, name)->field, &field) << name;
  }
}

}  // namespace
}  // namespace hellora::testing
