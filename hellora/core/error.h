// Error types that a user can cause, and the check for programmer errors.
// What: one line that says what is wrong, where, and what would be accepted.
#pragma once

#include <stdexcept>
#include <string>

namespace hellora {

/// Base of every error a user can cause; the command line prints it and exits with 2.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A command-line argument, configuration key or value is not acceptable.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// A file does not follow its format.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// The user's data cannot be used.
class DataError : public Error {
 public:
  using Error::Error;
};

/// Files or runs do not belong together, or the machine cannot hold the work.
class StateError : public Error {
 public:
  using Error::Error;
};

/// A verification ran and found a fault (audit, check, non-finite loss); exit code 3.
class CheckFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The user asked to stop and the state was saved; exit code 130.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& message);

}  // namespace hellora

/// Programmer errors only: a failure is a bug in hellora (exit code 1).
#define HELLORA_CHECK(condition, message)                                 \
  do {                                                                    \
    if (!(condition)) {                                                   \
      ::hellora::check_failed(#condition, __FILE__, __LINE__, (message)); \
    }                                                                     \
  } while (false)
