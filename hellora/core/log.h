// Messages for people, on stderr, one line each: what could act on a terminal is escaped here, wherever it comes from. Results never
// go through here.
#pragma once

#include <string>

namespace hellora {

enum class LogLevel { debug, info, warn, error, quiet };

void set_log_level(LogLevel level);
LogLevel parse_log_level(const std::string& name);  // ConfigError for an unknown name

void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warn(const std::string& message);
void log_error(const std::string& message);

/// False where messages of information are not wanted (--quiet, --log-level): progress is left out too.
bool log_shows_info();

}  // namespace hellora
