#include "hellora/data/config.h"

#include "hellora/data/format.h"

namespace hellora {

std::vector<Field> data_fields(DataConfig* config) {
  std::vector<std::string> formats = {"auto"};
  for (const RecordFormat& format : record_formats()) formats.emplace_back(format.name);
  // Of a resumed run the rows are compared, wherever they come from.
  return {
      free_on_resume(files_field("data.train", &config->train, "JSON Lines files to train on")),
      free_on_resume(files_field("data.eval", &config->eval, "JSON Lines files to measure the loss on")),
      free_on_resume(choice_field("data.format", &config->format, formats, "how a record becomes text; auto decides by its keys")),
      int_field("data.max_length", &config->max_length, 2, 1 << 20, "tokens of the longest example"),
      choice_field("data.too_long", &config->too_long, {"skip", "truncate", "error"}, "what happens to longer examples"),
      flag_field("data.packing", &config->packing, "fill micro-batches with several examples (attention stays per example)"),
      choice_field("data.train_on", &config->train_on, {"completion", "last-turn", "all-turns", "all"},
                   "tokens that carry the loss: completion is every answer of a conversation"),
      free_on_resume(
          text_field("data.chat_template", &config->chat_template,
                     "how a conversation becomes text: auto is the model's own template; else a built-in one's name, or a file")),
  };
}

}  // namespace hellora
