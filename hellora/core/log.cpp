// The only file that sees spdlog: its headers clash with the fmt that libtorch ships.
#include "hellora/core/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <unistd.h>

#include "hellora/core/error.h"
#include "hellora/core/open_line.h"
#include "hellora/core/printable.h"
#include "hellora/core/terminal.h"

namespace hellora {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = spdlog::stderr_color_st("hellora", colours_on(STDERR_FILENO) ? spdlog::color_mode::always : spdlog::color_mode::never);
    made->set_pattern("%^%l%$: %v");
    return made;
  }();
  return *instance;
}

/// One line, whatever of it comes from files; a name of megabytes helps nobody.
std::string shown(const std::string& message) {
  constexpr size_t kMost = size_t{1} << 14;
  if (message.size() <= kMost) return printable(message);
  constexpr size_t kEnd = size_t{1} << 10;
  return printable(message.substr(0, kMost - kEnd)) + " … (" + std::to_string(message.size() - kMost) + " bytes) … " +
         printable(message.substr(message.size() - kEnd));
}

void write_message(spdlog::level::level_enum level, const std::string& message) {
  if (!logger().should_log(level)) return;
  end_open_line();
  logger().log(level, "{}", shown(message));
}

}  // namespace

void set_log_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug: logger().set_level(spdlog::level::debug); return;
    case LogLevel::info: logger().set_level(spdlog::level::info); return;
    case LogLevel::warn: logger().set_level(spdlog::level::warn); return;
    case LogLevel::error: logger().set_level(spdlog::level::err); return;
    case LogLevel::quiet: logger().set_level(spdlog::level::off); return;
  }
}

LogLevel parse_log_level(const std::string& name) {
  if (name == "debug") return LogLevel::debug;
  if (name == "info") return LogLevel::info;
  if (name == "warn") return LogLevel::warn;
  if (name == "error") return LogLevel::error;
  if (name == "quiet") return LogLevel::quiet;
  throw ConfigError("--log-level " + name + ": expected debug, info, warn, error or quiet");
}

void log_debug(const std::string& message) { write_message(spdlog::level::debug, message); }
void log_info(const std::string& message) { write_message(spdlog::level::info, message); }
void log_warn(const std::string& message) { write_message(spdlog::level::warn, message); }
void log_error(const std::string& message) { write_message(spdlog::level::err, message); }

bool log_shows_info() { return logger().should_log(spdlog::level::info); }

}  // namespace hellora
