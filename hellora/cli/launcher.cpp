// What a person starts: prints the texts that never change without loading libtorch, and for everything else becomes the real program.
//
// The real program lies in libexec/hellora beside bin/, with a folder of what it printed itself when it was built: one file per
// command line ("hellora train --help"). It is started by exec, so that the process, its signals and its exit code are the program's own.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

/// The folder of the installation, wherever it was moved or linked to; empty where the system does not say.
std::string install_folder() {
  std::string path(4096, '\0');
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0 || static_cast<size_t>(size) == path.size()) return {};
  path.resize(static_cast<size_t>(size));
  for (int level = 0; level < 2; ++level) {  // bin/hellora
    const size_t end = path.rfind('/');
    if (end == std::string::npos) return {};
    path.resize(end);
  }
  return path;
}

/// The name that the text of this command line has if there is one; empty when it cannot have one.
std::string text_name(int argc, char** argv) {
  std::string name = "hellora";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.empty() || word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-_") != std::string::npos) return {};
    name += word == "-h" ? " --help" : " " + word;
  }
  return name.size() < 100 ? name : std::string();
}

/// Copies the file to the stream; false when nothing was written, for the real program to try and to explain.
bool print_file(const std::string& path, int stream) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);  // lint: the launcher links nothing of hellora
  if (file < 0) return false;
  // A file on descriptor 0 to 2 stands where the caller closed a stream.
  if (file <= STDERR_FILENO) {
    close(file);
    return false;
  }
  char text[1 << 16];
  ssize_t size = read(file, text, sizeof text), done = 0;
  close(file);
  if (size == sizeof text) return false;  // longer than any text
  while (done < size) {
    const ssize_t written = write(stream, text + done, static_cast<size_t>(size - done));
    if (written < 0 && errno != EINTR) break;
    done += std::max<ssize_t>(written, 0);
  }
  if (done == 0 || done == size) return done > 0;
  std::fprintf(stderr, "error: cannot write standard output: %s\n", std::strerror(errno));
  std::exit(2);
}

/// A waiting thread of libgomp spins for 300,000 rounds by default, some ten milliseconds in which it takes the core from whoever has work.
/// libgomp reads its environment while it is loaded: later is too late.
constexpr const char* kSpinRounds = "600";  // measured: docs/decisions/0005-launcher.md

void wait_politely() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", kSpinRounds, 0);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = install_folder(), program = folder + "/libexec/hellora/hellora", text = text_name(argc, argv);
  const auto kept = std::signal(SIGPIPE, SIG_IGN);
  const bool alone = argc < 2;  // the help is a complaint then
  if (!folder.empty() && !text.empty() && print_file(folder + "/libexec/hellora/texts/" + text, alone ? STDERR_FILENO : STDOUT_FILENO))
    return alone ? 2 : 0;
  std::signal(SIGPIPE, kept);
  wait_politely();
  execv(program.c_str(), argv);
  std::fprintf(stderr, "error: cannot start %s: %s; the folders bin and libexec of hellora belong together\n", program.c_str(),
               std::strerror(errno));
  return 2;
}
