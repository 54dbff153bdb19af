// The program: parses the command line, runs one command, turns errors into one line and an exit code.
#include <cstdlib>
#include <new>
#include <system_error>

#include "hellora/cli/command.h"
#include "hellora/cli/process.h"
#include "hellora/cli/threads.h"
#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/io/standard_output.h"
#include "hellora/kernels/row.h"
#include "hellora/tensor/allocator.h"
#include "hellora/tensor/torch.h"

namespace hellora {
namespace {

void add_common(CLI::App& app, Common& common) {
  app.add_option("--threads", common.threads, "threads; 0: all cores")->check(CLI::Range(0, 4096));
  app.add_option("--seed", common.seed, "seed of every random number")->check(CLI::Range(int64_t{0}, INT64_MAX));
  app.add_option("--device", common.device, "where to compute")->check(CLI::IsMember({"cpu"}));
  app.add_option("--log-level", common.log_level, "debug, info, warn, error or quiet");
  app.add_flag("--quiet", common.quiet, "only errors");
  app.add_flag("--json", common.json, "one JSON object on standard output");
}

/// CLI11's message, or the unknown option with the one that it is nearest to.
std::string parse_message(const CLI::ParseError& error, const CLI::App& app) {
  const CLI::App* chosen = &app;
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands().front();
  std::vector<std::string> known;
  for (const CLI::Option* option : chosen->get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  // CLI11 complains about what is missing first, even where a mistyped option is the reason.
  for (const std::string& word : app.remaining(true)) {
    if (!word.starts_with("--")) continue;
    const std::string near = nearest_name(word.substr(0, word.find('=')), known);
    return "unknown option " + word + (near.empty() ? "; see --help" : "; the nearest known one is " + near);
  }
  return error.what();
}

/// The command line starts with a command of the table, or with an option.
void check_command(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> known;
  for (const CommandRow& row : command_table()) known.emplace_back(row.name);
  const std::string given = argv[1], near = nearest_name(given, known);
  if (std::find(known.begin(), known.end(), given) != known.end()) return;
  throw ConfigError("unknown command \"" + given + "\"; " +
                    (near.empty() ? "known: " + join(known, ", ") : "the nearest known one is " + near));
}

int run_program(int argc, char** argv) {
  check_command(argc, argv);
  CLI::App app("hellora: fine-tunes the experts of a mixture-of-experts model that a task really uses", "hellora");
  app.set_version_flag("--version", std::string("hellora ") + HELLORA_VERSION);
  app.require_subcommand(1);
  Common common;
  std::vector<std::pair<CLI::App*, std::unique_ptr<Command>>> commands;
  for (const CommandRow& row : command_table()) {
    CLI::App* sub = app.add_subcommand(row.name, row.summary);
    add_common(*sub, common);
    commands.emplace_back(sub, row.make());
    commands.back().second->declare(*sub);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);  // --help, --version
  } catch (const CLI::ParseError& error) {
    log_error(parse_message(error, app));
    return 2;
  }
  for (const auto& [sub, command] : commands) {
    if (!sub->parsed()) continue;
    common.seed_given = sub->count("--seed") > 0;
    common.threads_given = sub->count("--threads") > 0;
    set_log_level(common.quiet ? LogLevel::error : parse_log_level(common.log_level));
    if (const char* kernel = std::getenv("HELLORA_KERNEL")) kernels::force_row(kernel);
    if (kernels::active_row().name == "reference")
      log_warn("this processor has none of the fast kernels; the plain ones are correct and slow (hellora bench kernels)");
    check_current_folder();
    use_threads(common.threads);
    return command->run(common);
  }
  return 2;
}

/// Everything that can fail: an error becomes one line and an exit code.
int guarded(int argc, char** argv) {
  StandardOutput output;
  try {
    check_arguments(argc, argv);
    const int code = run_program(argc, argv);
    output.finish();
    return code;
  } catch (const Error& error) {
    log_error(error.what());
    return 2;
  } catch (const CheckFailed& error) {
    log_error(error.what());
    return 3;
  } catch (const Interrupted& error) {
    log_warn(error.what());
    return 130;
  } catch (const std::bad_alloc&) {
    log_error("out of memory; a smaller train.micro_batch_tokens or data.max_length needs less");
    return 2;
  } catch (const std::system_error& error) {  // of the standard library's own: a thread that cannot be made
    log_error(std::string("the system refused: ") + error.what());
    return 2;
  } catch (const c10::Error& error) {
    log_error(std::string("internal error: ") + error.what_without_backtrace());
    for (const std::string& line : split(error.what(), '\n')) log_debug(line);
    return 1;
  } catch (const std::exception& error) {
    log_error(std::string("internal error: ") + error.what());
    return 1;
  }
}

}  // namespace
}  // namespace hellora

int main(int argc, char** argv) {
  using namespace hellora;
  // Products of one tile are single-threaded; this makes them independent of memory alignment as well.
  setenv("MKL_CBWR", "AVX2,STRICT", 0);
  secure_process();
  install_allocator();
  return run_with_stack(guarded, argc, argv);
}
