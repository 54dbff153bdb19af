// The commands that print the program's tables.
#include <iostream>

#include "hellora/adapters/method.h"
#include "hellora/cli/commands.h"
#include "hellora/cli/help.h"
#include "hellora/core/json_text.h"
#include "hellora/core/text.h"
#include "hellora/eval/task.h"
#include "hellora/model/arch.h"
#include "hellora/model/count.h"
#include "hellora/recipe/table.h"
#include "hellora/select/policy.h"

namespace hellora {
namespace {

using Rows = std::vector<std::vector<std::string>>;  // the first row holds the column names

Rows method_rows() {
  Rows rows = {{"method", "result", "summary", "source", "held against", "needs"}};
  for (const Method& one : methods()) {
    rows.push_back({std::string(one.name), one.makes_adapter ? "adapter" : "model", std::string(one.summary), std::string(one.source),
                    std::string(one.status), one.needs_forget ? "data.forget" : ""});
  }
  return rows;
}

std::string hot_text(const HotShare& hot) {
  if (hot.of == 0) return "experts per token";
  return std::to_string(hot.hot) + " of " + std::to_string(hot.of);
}

Rows arch_rows() {
  Rows rows = {{"name", "kind", "models", "parameters", "default targets", "default k", "source of the defaults", "status"}};
  for (const Arch& one : archs()) {
    const bool dense = one.targets.find("router") == std::string_view::npos && one.targets.find("gate") == std::string_view::npos;
    rows.push_back({std::string(one.model_type), "family", std::string(one.models), "", std::string(one.targets),
                    dense ? "" : hot_text(one.hot), std::string(one.defaults_source), std::string(one.status)});
  }
  for (const Preset& one : presets())
    rows.push_back({std::string(one.name), "preset", one.shape().arch, with_commas(count_base(one.shape())), "", "", "", ""});
  return rows;
}

Rows policy_rows() {
  Rows rows = {{"policy", "chooses"}};
  for (const Policy& one : policies()) rows.push_back({std::string(one.name), std::string(one.summary)});
  return rows;
}

Rows task_rows() {
  Rows rows = {{"task", "summary", "default data"}};
  for (const Task& one : tasks()) rows.push_back({std::string(one.name), std::string(one.summary), std::string(one.data)});
  return rows;
}

/// Narrow tables as they are; of a wide one each row becomes a paragraph of its named cells.
std::string print_rows(const Rows& rows) {
  const std::string table = format_table(rows);
  size_t widest = 0;
  for (const std::string& line : split(table, '\n')) widest = std::max(widest, line.size());
  if (widest <= kColumns) return table;
  size_t label = 0;
  for (const std::string& name : rows[0]) label = std::max(label, name.size());
  std::string out;
  for (size_t r = 1; r < rows.size(); ++r) {
    out += (out.empty() ? "" : "\n") + rows[r][0] + "\n";
    for (size_t c = 1; c < rows[r].size(); ++c) {
      if (!rows[r][c].empty()) out += two_columns("  " + rows[0][c], rows[r][c], label + 4);
    }
  }
  return out;
}

template <Rows (*make_rows)()>
class PrintTable : public Command {
 public:
  void declare(CLI::App&) override {}
  int run(const Common& common) override {
    const Rows rows = make_rows();
    if (!common.json) {
      std::cout << print_rows(rows);
      return 0;
    }
    Json out = Json::array();
    for (size_t r = 1; r < rows.size(); ++r) {
      Json row;
      for (size_t c = 0; c < rows[0].size(); ++c) row[rows[0][c]] = rows[r][c];
      out.push_back(row);
    }
    std::cout << dump_json({{"rows", out}}) << "\n";
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> make_methods() { return std::make_unique<PrintTable<method_rows>>(); }
std::unique_ptr<Command> make_archs() { return std::make_unique<PrintTable<arch_rows>>(); }
std::unique_ptr<Command> make_policies() { return std::make_unique<PrintTable<policy_rows>>(); }
std::unique_ptr<Command> make_tasks() { return std::make_unique<PrintTable<task_rows>>(); }

}  // namespace hellora
