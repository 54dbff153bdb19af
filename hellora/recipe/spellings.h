// How other tools spell the settings of a run: Axolotl, LLaMA-Factory, TRL with PEFT, ms-swift, Unsloth, mlx-lm. A table, one
// row each: a name is translated, explained as without effect here, or refused with the nearest thing that there is.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/core/config.h"

namespace hellora {

/// What becomes of the values of a translated name.
enum class Rule : uint8_t {
  same,
  targets,    // module names to ours: q_proj to q
  added,      // the same, added to the targets that another name gives
  every,      // true: all linear maps
  flag_off,   // the opposite
  refines,    // like words; "lora" that another name gives for the same key gives way
  words,      // one value becomes another by the row's list, "cosine_with_min_lr>cosine|…"
  sequences,  // sequences of a micro-batch become tokens, once data.max_length is known
  warmup,     // steps become a share, once train.max_steps is known
  scale,      // alpha / rank becomes alpha, once adapter.rank is known
  unlimited,  // -1 means no limit, which is 0 here
  files,      // data files of several entries are joined
};

struct Spelling {
  std::string_view name;
  std::string_view key = {};  // ours; empty: there is none
  Rule rule = Rule::same;
  std::string_view values = {};  // without a key: what changes nothing ("*": anything); with Rule::words: "theirs>ours"; parted by |
  std::string_view why = {};     // without a key: why nothing changes, or what there is instead
};

std::span<const Spelling> spellings();

/// What a name of the user's means: a declared key, written in full or by its last word, or a row of the table. Dashes count as
/// underscores, sections of other tools ("lora.r", "training_args.learning_rate") and places in a list ("datasets.0.path") as nothing.
struct Meaning {
  const Field* field = nullptr;        // null: a row without a key
  const Spelling* spelling = nullptr;  // null: our own name
};
/// ConfigError names `where` and the nearest known name.
Meaning find_meaning(const Fields& fields, const std::string& name, const std::string& where);
/// The same without an error.
std::optional<Meaning> look_up(const Fields& fields, const std::string& name);

/// The other names of a key, as they are accepted.
std::vector<std::string> aliases_of(const Fields& fields, const std::string& key);

/// adapter.targets from module names: "q_proj", "model.layers.0.mlp.gate", "all". `foreign`: as other tools mean them, for whom "gate" is
/// the router; our own names stay what they are.
std::vector<std::string> translate_targets(std::span<const std::string> names, bool foreign);

/// ConfigError, or nothing when the value of a row without a key changes nothing.
void check_inert(const Spelling& row, std::span<const std::string> values, const std::string& name, const std::string& where);

/// The values of a row with a key, for the rules that need nothing else (the others return them as they are).
std::vector<std::string> translate_values(const Spelling& row, std::span<const std::string> values, const std::string& name,
                                          const std::string& where);

}  // namespace hellora
