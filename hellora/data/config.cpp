#include "hellora/data/config.h"

#include <array>
#include <charconv>
#include <cmath>

#include "hellora/core/error.h"
#include "hellora/data/format.h"

namespace hellora {
namespace {

constexpr double kMostWeight = 1000;

/// The number, where the whole text is one.
std::optional<double> number_in(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

bool is_number(const std::vector<std::string>& eval) {
  if (eval.size() != 1) return false;
  std::string_view text = eval[0];
  if (text.ends_with('%')) text.remove_suffix(1);
  return number_in(text).has_value();
}

Field eval_field(std::vector<std::string>* value) {
  Field field = files_field(
      "data.eval", value,
      "JSON Lines files to measure the loss on; or a part of the training rows that is kept for it: 5%, 0.05, or a number of rows");
  const auto set = field.set;
  field.set = [=](std::span<const std::string> values, const std::string& where) {
    set(values, where);
    try {
      eval_share(*value);
    } catch (const ConfigError& error) {
      throw ConfigError(where + ": " + error.what());
    }
  };
  return field;
}

std::string print_number(double value) {
  std::array<char, 32> buffer{};
  return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr};
}

Field weights_field(std::vector<double>* value) {
  const std::string accepts = "a list of numbers above 0, at most " + print_number(kMostWeight) + ", one for each file of data.train";
  Field field;
  field.key = "data.weights";
  field.help = "how often an epoch takes the rows of each file: 2 is twice, 0.5 is half of them, drawn anew each epoch";
  field.accepts = accepts;
  field.is_list = true;
  field.set = [=](std::span<const std::string> values, const std::string& where) {
    value->clear();
    for (const std::string& text : values) {
      const double weight = parse_double(text, where + ": data.weights");
      if (!(weight > 0 && weight <= kMostWeight))
        throw ConfigError(where + ": data.weights: " + text + " is not acceptable; expected " + accepts);
      value->push_back(weight);
    }
  };
  field.get = [=] {
    std::vector<std::string> out;
    for (const double weight : *value) out.push_back(print_number(weight));
    return out;
  };
  return field;
}

}  // namespace

std::optional<EvalShare> eval_share(const std::vector<std::string>& eval) {
  if (!is_number(eval)) return std::nullopt;
  std::string_view text = eval[0];
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  const double number = number_in(text).value_or(0);
  if (number == 0) return std::nullopt;
  if (!percent && number >= 1 && number == std::floor(number) && number < 0x1p53) return EvalShare{0, static_cast<int64_t>(number)};
  const double share = percent ? number / 100 : number;
  if (!(share > 0 && share < 1)) {
    throw ConfigError("data.eval: " + eval[0] +
                      " is no part of the training rows; expected a share such as 5% or 0.05, or a number of rows");
  }
  return EvalShare{share, 0};
}

std::vector<std::string> eval_files(const std::vector<std::string>& eval) { return is_number(eval) ? std::vector<std::string>() : eval; }

std::vector<Field> data_fields(DataConfig* config) {
  std::vector<std::string> formats = {"auto"};
  for (const RecordFormat& format : record_formats()) formats.emplace_back(format.name);
  // Of a resumed run the rows are compared, wherever they come from.
  return {
      free_on_resume(files_field("data.train", &config->train,
                                 "files of records to train on: JSON Lines or a JSON array, plain or packed with gzip or zstd")),
      weights_field(&config->weights),
      free_on_resume(eval_field(&config->eval)),
      free_on_resume(files_field("data.forget", &config->forget,
                                 "files of records whose loss is pushed up instead, read like data.train; for methods that unlearn "
                                 "(gs_lora, gs_lora_pp)")),
      free_on_resume(choice_field("data.format", &config->format, formats, "how a record becomes text; auto decides by its keys")),
      int_field("data.max_length", &config->max_length, 2, 1 << 20, "tokens of the longest example"),
      choice_field("data.too_long", &config->too_long, {"skip", "truncate", "error"}, "what happens to longer examples"),
      choice_field("data.on_error", &config->on_error, {"stop", "skip"},
                   "what happens at a bad record; skipped ones are counted and the first named"),
      flag_field("data.packing", &config->packing, "fill micro-batches with several examples (attention stays per example)"),
      choice_field("data.train_on", &config->train_on, {"completion", "last-turn", "all-turns", "all"},
                   "tokens that carry the loss: completion is every answer of a conversation"),
      free_on_resume(
          text_field("data.chat_template", &config->chat_template,
                     "how a conversation becomes text: auto is the model's own template; else a built-in one's name, or a file")),
  };
}

}  // namespace hellora
