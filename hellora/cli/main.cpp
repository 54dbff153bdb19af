// The program: parses the command line, runs one command, turns errors into one line and an exit code.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <new>
#include <system_error>

#include "hellora/cli/command_line.h"
#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/io/standard_output.h"
#include "hellora/kernels/row.h"
#include "hellora/recipe/process.h"
#include "hellora/recipe/threads.h"
#include "hellora/tensor/allocator.h"
#include "hellora/tensor/torch.h"

namespace hellora {
namespace {

int run_program(int argc, char** argv) {
  CLI::App app("hellora: fine-tunes the experts of a mixture-of-experts model that a task really uses", "hellora");
  declare_program(app);
  Common common;
  std::vector<std::pair<CLI::App*, std::unique_ptr<Command>>> commands;
  for (const CommandRow& row : command_table()) {
    std::unique_ptr<Command> command = row.make();
    CLI::App* sub = add_command(app, row, *command, common);
    commands.emplace_back(sub, std::move(command));
  }
  if (argc < 2) {
    std::cerr << app.help();
    return 2;
  }
  std::vector<std::string> arguments = understood({argv + 1, argv + argc});
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(std::move(arguments));
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
