// What the program makes sure of before it does anything: descriptors, signals, the stack, its arguments and its folder.
#pragma once

namespace hellora {

/// Descriptors 0 to 2 are open (a file opened later must not become standard error), a write to a broken pipe or beyond the largest
/// file size is an error instead of a signal, a mapped file that shrinks ends with one line, threads get ordinary stacks.
void secure_process();

/// ConfigError for an argument that is not valid UTF-8: paths and texts go into JSON and YAML files, which cannot hold it.
void check_arguments(int argc, char** argv);

/// Runs the program: on the main thread, or on one with an ordinary stack where the limit of the main one (ulimit -s) is too low for
/// the libraries. Returns its exit code.
int run_with_stack(int (*program)(int, char**), int argc, char** argv);

/// ConfigError where the current folder cannot be named (a folder that is gone is refused before main), or its name is not valid UTF-8:
/// relative paths could not be written down.
void check_current_folder();

}  // namespace hellora
