// Line editing by libedit. Taken by CMake where the library is present.
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "hellora/cli/line_input.h"

namespace hellora {
namespace {

constexpr int kRemembered = 1000;  // lines of history

/// The terminal's character set for this thread while a line is edited; the program itself stays in the C locale, so that numbers
/// and letters are the same everywhere.
class EditLocale {
 public:
  explicit EditLocale(locale_t locale) : before_(::uselocale(locale)) {}
  EditLocale(const EditLocale&) = delete;
  EditLocale& operator=(const EditLocale&) = delete;
  ~EditLocale() { ::uselocale(before_); }

 private:
  locale_t before_;
};

locale_t utf8_locale() {
  locale_t own = ::newlocale(LC_CTYPE_MASK, "", nullptr);
  if (own != nullptr && std::string_view(::nl_langinfo_l(CODESET, own)) == "UTF-8") return own;
  if (own != nullptr) ::freelocale(own);
  return ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
}

const std::string*& shown_prompt() {
  static const std::string* prompt = nullptr;  // libedit asks by a function without an argument of ours
  return prompt;
}

char* prompt_of(EditLine*) { return const_cast<char*>(shown_prompt()->c_str()); }

/// Whether an end of input was typed ahead, while an answer was written: something to read that has no bytes. The editor would get a
/// NUL for it and wait on.
bool ended_ahead() {
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  int bytes = 0;
  return ::poll(&input, 1, 0) == 1 && ::ioctl(STDIN_FILENO, FIONREAD, &bytes) == 0 && bytes == 0;
}

class Editor : public LineInput {
 public:
  explicit Editor(std::string prompt) : prompt_(std::move(prompt)), locale_(utf8_locale()) {
    const EditLocale here(locale_);
    line_ = ::el_init("hellora", stdin, stdout, stderr);
    history_ = ::history_init();
    if (line_ == nullptr || history_ == nullptr) return;
    HistEvent event;
    ::history(history_, &event, H_SETSIZE, kRemembered);
    ::history(history_, &event, H_SETUNIQUE, 1);
    ::el_set(line_, EL_PROMPT, prompt_of);
    ::el_set(line_, EL_EDITOR, "emacs");
    ::el_set(line_, EL_SIGNAL, 1);  // a signal finds the terminal as it was
    ::el_set(line_, EL_HIST, ::history, history_);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;
  ~Editor() override {
    if (line_ != nullptr) ::el_end(line_);
    if (history_ != nullptr) ::history_end(history_);
    if (locale_ != nullptr) ::freelocale(locale_);
  }

  bool ready() const { return line_ != nullptr && history_ != nullptr && locale_ != nullptr; }

  std::optional<std::string> read() override {
    if (ended_ahead()) return std::nullopt;
    const EditLocale here(locale_);
    shown_prompt() = &prompt_;
    int count = 0;
    const char* text = ::el_gets(line_, &count);
    if (text == nullptr || count <= 0) return std::nullopt;
    std::string line(text);
    while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
    HistEvent event;
    if (line.find_first_not_of(" \t") != std::string::npos) ::history(history_, &event, H_ENTER, line.c_str());
    return line;
  }

 private:
  std::string prompt_;
  locale_t locale_;
  EditLine* line_ = nullptr;
  History* history_ = nullptr;
};

}  // namespace

std::unique_ptr<LineInput> make_line_editor(const std::string& prompt) {
  auto editor = std::make_unique<Editor>(prompt);
  if (!editor->ready()) return nullptr;
  return editor;
}

}  // namespace hellora
