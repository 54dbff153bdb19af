#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/core/error.h"
#include "hellora/core/json.h"
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
    const bool json_text = json_lines_ || common.json;
    std::string line;
    for (int64_t number = 1; std::getline(std::cin, line); ++number) {
      const std::string where = "standard input, line " + std::to_string(number);
      if (decode_) {
        const std::string text = tokenizer.decode(read_ids(line, where));
        std::cout << (json_text ? Json(text).dump() : text) << "\n";
      } else {
        std::cout << Json(tokenizer.encode(json_text ? read_string(line, where) : line, special_)).dump() << "\n";
      }
    }
    return 0;
  }

 private:
  static std::vector<int64_t> read_ids(const std::string& line, const std::string& where) {
    const Json json = parse_json(line, where);
    std::vector<int64_t> ids;
    if (!json.is_array()) throw FormatError(where + ": expected a JSON array of token ids");
    for (const Json& id : json) {
      if (!id.is_number_integer()) throw FormatError(where + ": " + id.dump() + " is not a token id");
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
