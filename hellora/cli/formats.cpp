// The table of formats that an adapter can leave in.
#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/core/json_text.h"
#include "hellora/export/formats.h"
#include "hellora/recipe/table.h"

namespace hellora {
namespace {

class Formats : public Command {
 public:
  void declare(CLI::App&) override {}

  int run(const Common& common) override {
    if (common.json) {
      Json rows = Json::array();
      for (const FormatText& one : format_texts()) {
        rows.push_back({{"format", one.name}, {"made by", one.made_by}, {"for", one.readers}, {"needs", one.needs}});
      }
      std::cout << dump_json(Json{{"rows", rows}}) << "\n";
      return 0;
    }
    // Four texts side by side are wider than a terminal: one format below the other.
    for (const FormatText& one : format_texts()) {
      std::cout << one.name << "\n"
                << format_table(
                       {{"  made by", std::string(one.made_by)}, {"  for", std::string(one.readers)}, {"  needs", std::string(one.needs)}});
    }
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> make_formats() { return std::make_unique<Formats>(); }

}  // namespace hellora
