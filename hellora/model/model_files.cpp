#include "hellora/model/model_files.h"

#include <algorithm>
#include <array>

#include "hellora/io/paths.h"

namespace hellora {
namespace {

struct KnownFile {
  std::string_view name;
  bool changes_text = true;
};

// A model card is not among them: it describes the base. Nor is code: who runs a model's own code takes it from the base.
constexpr auto kKnown = std::to_array<KnownFile>({
    {"generation_config.json"},
    {"tokenizer.json"},
    {"tokenizer_config.json"},
    {"special_tokens_map.json"},
    {"added_tokens.json"},
    {"vocab.json"},
    {"vocab.txt"},
    {"merges.txt"},
    {"tokenizer.model"},
    {"tokenizer.model.v3"},
    {"sentencepiece.bpe.model"},
    {"spiece.model"},
    {"tekken.json"},
    {"chat_template.json"},
    {"chat_template.jinja"},
    {"LICENSE", false},
    {"LICENSE.txt", false},
    {"LICENSE.md", false},
    {"NOTICE", false},
    {"NOTICE.txt", false},
});
constexpr const char* kTemplates = "additional_chat_templates";  // of chat_template.jinja, one file each

}  // namespace

std::vector<std::string> model_files(const Path& folder) {
  std::vector<std::string> out;
  for (const KnownFile& one : kKnown) {
    if (is_file(folder / one.name)) out.emplace_back(one.name);
  }
  if (is_folder(folder / kTemplates)) {
    for (const Path& path : list_folder(folder / kTemplates)) {
      if (path.extension() == ".jinja" && is_file(path)) out.push_back((Path(kTemplates) / path.filename()).string());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool changes_text(const std::string& name) {
  const auto known = std::find_if(kKnown.begin(), kKnown.end(), [&](const KnownFile& one) { return one.name == name; });
  return known == kKnown.end() || known->changes_text;
}

void copy_model_files(const Path& folder, const Path& out) {
  for (const std::string& name : model_files(folder)) {
    make_folder((out / name).parent_path());
    write_text_atomic(out / name, read_text(folder / name));
  }
}

}  // namespace hellora
