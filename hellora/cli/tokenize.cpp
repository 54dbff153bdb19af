#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/terminal.h"
#include "hellora/text/tokenizer.h"

namespace hellora {
namespace {

class Tokenize : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--model", model_, "folder with tokenizer.json, or the file")->required();
    app.add_flag("--decode", decode_, "JSON arrays of ids to text");
    app.add_flag("--special", special_, "add what the post-processor adds");
    app.add_flag("--json-lines", json_lines_, "text lines are JSON strings");
  }

  int run(const Common& common) override {
    const Tokenizer tokenizer = Tokenizer::load(model_);
    Json all = Json::array();
    std::string line;
    for (int64_t number = 1; std::getline(std::cin, line); ++number) {
      const Json result = convert(tokenizer, line, "standard input, line " + std::to_string(number));
      if (common.json) {
        all.push_back(result);
      } else {
        std::cout << (result.is_string() && !json_lines_ ? result_text(result.get<std::string>()) : dump_json(result)) << "\n";
      }
    }
    if (common.json) std::cout << dump_json({{decode_ ? "text" : "ids", all}}) << "\n";
    return 0;
  }

 private:
  /// An array of ids, or a text when decoding.
  Json convert(const Tokenizer& tokenizer, const std::string& line, const std::string& where) const {
    try {
      if (decode_) return tokenizer.decode(read_ids(line, where));
      return tokenizer.encode(json_lines_ ? read_string(line, where) : line, special_);
    } catch (const DataError& error) {
      throw DataError(where + ": " + error.what());
    }
  }

  static std::vector<int64_t> read_ids(const std::string& line, const std::string& where) {
    const Json json = parse_json(line, where);
    std::vector<int64_t> ids;
    if (!json.is_array()) throw FormatError(where + ": expected a JSON array of token ids");
    for (const Json& id : json) {
      const bool fits = id.is_number_integer() && (!id.is_number_unsigned() || id.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
      if (!fits) throw FormatError(where + ": " + dump_json(id) + " is not a token id");
      ids.push_back(id.get<int64_t>());
    }
    return ids;
  }

  static std::string read_string(const std::string& line, const std::string& where) {
    const Json json = parse_json(line, where);
    if (!json.is_string()) throw FormatError(where + ": expected a JSON string");
    return json.get<std::string>();
  }

  std::string model_;
  bool decode_ = false, special_ = false, json_lines_ = false;
};

}  // namespace

std::unique_ptr<Command> make_tokenize() { return std::make_unique<Tokenize>(); }

}  // namespace hellora
