#include "hellora/cli/command_line.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "hellora/cli/help.h"
#include "hellora/core/error.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"
#include "hellora/recipe/places.h"
#include "hellora/recipe/run_config.h"
#include "hellora/recipe/spellings.h"

namespace hellora {
namespace {

void add_common(CLI::App& app, Common& common) {
  const auto add = [](CLI::Option* option) { return option->group(kCommonGroup); };
  add(app.add_option("--threads", common.threads, "threads; 0: all cores")->check(CLI::Range(0, 4096)));
  add(app.add_option("--seed", common.seed, "seed of every random number")->check(CLI::Range(int64_t{0}, INT64_MAX)));
  add(app.add_option("--device", common.device, "where to compute")->check(CLI::IsMember({"cpu"})));
  add(app.add_option("--log-level", common.log_level, "debug, info, warn, error or quiet"));
  add(app.add_flag("--quiet", common.quiet, "only errors"));
  add(app.add_flag("--json", common.json, "one JSON object on standard output"));
  app.set_help_flag("-h,--help", "this text")->group(kCommonGroup);
}

/// "nan" lies in every range as CLI11 compares; infinities are no setting either.
std::string refuse_non_finite(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);  // lint: only to tell infinities, CLI11 reads the value itself
  return *end == '\0' && !text.empty() && !std::isfinite(value) ? text + " is not a finite number" : std::string();
}

void guard(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_type_name().starts_with("FLOAT")) option->check(refuse_non_finite);
    const std::string name = option->get_name();
    if (name == "--model" || name == "--adapter")
      option->transform([name](const std::string& given) { return find_place(given, name); }, "");
  }
  for (CLI::App* below : app.get_subcommands([](CLI::App*) { return true; })) guard(*below);
}

const CLI::App* chosen_command(const CLI::App& app) {
  const CLI::App* chosen = &app;
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands().front();
  return chosen;
}

/// For commands that take key=value: the setting that an unknown option names.
std::string as_setting(const CLI::App& command, const std::string& word) {
  const auto takes_settings = [](const CLI::Option* option) { return option->get_name(true) == "overrides"; };
  const auto options = command.get_options();
  if (std::none_of(options.begin(), options.end(), takes_settings)) return {};
  const size_t equals = word.find('=');
  const std::string name = word.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
  RunConfig config;
  const Fields fields = config_fields(&config);
  const auto meaning = look_up(fields, name);
  if (!meaning) return {};
  if (meaning->field == nullptr) return "; it is no setting here: " + std::string(meaning->spelling->why);
  return "; settings are written without dashes: " + meaning->field->key + "=" +
         (equals == std::string::npos ? "VALUE" : word.substr(equals + 1));
}

}  // namespace

void declare_program(CLI::App& app) {
  app.set_version_flag("--version", std::string("hellora ") + HELLORA_VERSION);
  app.formatter(help_formatter());
  app.option_defaults()->always_capture_default();
  app.require_subcommand(1);
}

CLI::App* add_command(CLI::App& app, const CommandRow& row, Command& command, Common& common) {
  CLI::App* sub = app.add_subcommand(row.name, row.summary);
  command.declare(*sub);
  add_common(*sub, common);
  guard(*sub);
  return sub;
}

std::vector<std::string> understood(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0].starts_with('-')) return arguments;
  std::vector<std::string> known;
  for (const CommandRow& row : command_table()) known.emplace_back(row.name);
  const bool help = arguments[0] == "help";
  const std::string given = !help ? arguments[0] : arguments.size() > 1 && !arguments[1].starts_with('-') ? arguments[1] : "";
  if (given.empty()) return {"--help"};
  if (std::find(known.begin(), known.end(), given) != known.end()) return help ? std::vector<std::string>{given, "--help"} : arguments;
  known.emplace_back("help");
  const std::string near = nearest_name(given, known);
  throw ConfigError("unknown command \"" + printable(given) + "\"; " +
                    (near.empty() ? "known: " + join(known, ", ") : "the nearest known one is " + near));
}

std::string parse_message(const CLI::ParseError& error, const CLI::App& app) {
  const CLI::App* chosen = chosen_command(app);
  std::vector<std::string> known;
  for (const CLI::Option* option : chosen->get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  // CLI11 complains about what is missing first, even where a mistyped option is the reason.
  for (const std::string& word : app.remaining(true)) {
    if (!word.starts_with("--")) continue;
    const std::string setting = as_setting(*chosen, word);
    if (!setting.empty()) return "unknown option " + printable(word) + setting;
    const std::string near = nearest_name(word.substr(0, word.find('=')), known);
    return "unknown option " + printable(word) + (near.empty() ? "; see --help" : "; the nearest known one is " + near);
  }
  return printable(error.what());
}

}  // namespace hellora
