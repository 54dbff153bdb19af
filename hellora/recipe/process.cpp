#include "hellora/recipe/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/core/utf8.h"
#include "hellora/io/map_guard.h"

namespace hellora {
namespace {

/// A closed descriptor is filled: reading gives the end of the file, messages go nowhere, and writing results stays an error.
void fill_descriptor(int number, int flags) {
  if (::fcntl(number, F_GETFD) >= 0 || errno != EBADF) return;
  // lint: no file of the user's; it takes the lowest free number
  const int opened = ::open("/dev/null", flags);
  if (opened >= 0 && opened != number) {
    ::dup2(opened, number);
    ::close(opened);
  }
}

constexpr rlim_t kStack = rlim_t{8} << 20;  // what systems give by default

/// The main thread's stack grows up to the limit of now, other threads get the size that was the limit at the start.
void widen_stacks() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < kStack) {  // RLIM_INFINITY is the largest number
    limit.rlim_cur = std::min(kStack, limit.rlim_max);
    ::setrlimit(RLIMIT_STACK, &limit);
  }
  pthread_attr_t threads;
  size_t size = 0;
  if (::pthread_getattr_default_np(&threads) != 0) return;
  if (::pthread_attr_getstacksize(&threads, &size) == 0 && size < kStack && ::pthread_attr_setstacksize(&threads, kStack) == 0)
    ::pthread_setattr_default_np(&threads);
  ::pthread_attr_destroy(&threads);
}

/// Where the current folder is gone, oneMKL ends the program with a message of its own while it is loaded, before main.
void check_folder_before_libraries(int, char**, char**) {
  std::array<char, 1> too_short{};
  if (::getcwd(too_short.data(), too_short.size()) != nullptr || errno != ENOENT) return;
  constexpr std::string_view kMessage = "error: the current folder is gone; change to one that is there\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  constexpr int kBadInput = 2;
  _exit(kBadInput);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const kBeforeLibraries)(int, char**, char**) = check_folder_before_libraries;

struct Body {
  int (*program)(int, char**);
  int argc;
  char** argv;
  int code;
};

void* run_body(void* body) {
  auto* const one = static_cast<Body*>(body);
  one->code = one->program(one->argc, one->argv);
  return nullptr;
}

}  // namespace

void secure_process() {
  fill_descriptor(STDIN_FILENO, O_RDONLY);
  fill_descriptor(STDOUT_FILENO, O_RDONLY);
  fill_descriptor(STDERR_FILENO, O_WRONLY);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  install_map_guard();
  widen_stacks();
}

void check_arguments(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (!is_utf8(argv[i]))
      throw ConfigError("argument " + std::to_string(i) + " is not valid UTF-8: " + argv[i] +
                        "; a file or folder needs a name in UTF-8 here (rename it, or make a link to it)");
  }
}

void check_current_folder() {
  const std::unique_ptr<char, decltype(&std::free)> folder(::getcwd(nullptr, 0), &std::free);
  if (folder == nullptr)
    throw ConfigError("the current folder cannot be used: " + std::generic_category().message(errno) + "; change to another one");
  if (!is_utf8(folder.get()))
    throw ConfigError(std::string("the current folder's name is not valid UTF-8: ") + folder.get() + "; rename it");
}

int run_with_stack(int (*program)(int, char**), int argc, char** argv) {
  rlimit limit{};
  Body body{program, argc, argv, 0};
  pthread_t thread;
  if (::getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= kStack) return program(argc, argv);
  if (const int error = ::pthread_create(&thread, nullptr, run_body, &body); error != 0) {
    log_error("the stack may only have " + std::to_string(limit.rlim_cur / 1024) +
              " KiB (ulimit -s), and no thread with a larger one can be made: " + std::generic_category().message(error));
    return 2;
  }
  ::pthread_join(thread, nullptr);
  return body.code;
}

}  // namespace hellora
