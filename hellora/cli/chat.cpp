// A conversation in the terminal: the model's chat template, the whole history in every prompt, answers streamed.
#include <unistd.h>

#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/line_input.h"
#include "hellora/cli/model_options.h"
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/printable.h"
#include "hellora/core/terminal.h"
#include "hellora/core/text.h"
#include "hellora/eval/generate.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

constexpr const char* kHelp = "/system TEXT sets the system message, /reset forgets the conversation, /exit ends; Ctrl-C stops an answer";

/// What the template writes after an answer, without white space at its ends: models that were not taught the end of text stop there.
std::string turn_end(const ChatTemplate& chat) {
  constexpr std::string_view kAnswer = "ANSWER0";
  const Json messages =
      Json::array({{{"role", "user"}, {"content", "QUESTION0"}}, {{"role", "assistant"}, {"content", std::string(kAnswer)}}});
  const std::string text = chat.render(messages).text;
  const size_t at = text.rfind(kAnswer);
  if (at == std::string::npos) return {};
  const std::string rest = text.substr(at + kAnswer.size());
  const size_t first = rest.find_first_not_of(" \n\t"), last = rest.find_last_not_of(" \n\t");
  return first == std::string::npos ? std::string() : rest.substr(first, last - first + 1);
}

/// Shows an answer as it comes, without the mark that ends it.
class Answer {
 public:
  Answer(const Tokenizer& tokenizer, std::string end, bool show) : stream_(tokenizer), end_(std::move(end)), show_(show) {}

  void push(int64_t id) { take(stream_.push(id)); }
  void finish() {
    take(stream_.finish());
    if (!ended_) print(text_.size());
    if (show_) std::cout << std::endl;
  }
  bool ended() const { return ended_; }
  const std::string& text() const { return text_; }

 private:
  void take(const std::string& more) {
    if (ended_) return;
    text_ += more;
    const size_t at = end_.empty() ? std::string::npos : text_.find(end_, shown_);  // what was shown holds no beginning of it
    if (at != std::string::npos) {
      text_.resize(at);
      ended_ = true;
      print(at);
      return;
    }
    print(text_.size() - std::min(text_.size(), held()));
  }

  /// Bytes at the end that may become the mark.
  size_t held() const {
    for (size_t n = std::min(end_.empty() ? 0 : end_.size() - 1, text_.size()); n > 0; --n) {
      if (text_.ends_with(std::string_view(end_).substr(0, n))) return n;
    }
    return 0;
  }

  void print(size_t until) {
    if (until <= shown_) return;
    if (show_) std::cout << result_text(text_.substr(shown_, until - shown_)) << std::flush;
    shown_ = until;
  }

  StreamDecoder stream_;
  std::string end_, text_;
  size_t shown_ = 0;
  bool show_, ended_ = false;
};

class Chat : public Command {
 public:
  void declare(CLI::App& app) override {
    model_.declare(app);
    app.add_option("--chat-template", chat_template_, "built-in name or file; auto: the adapter's, else the model's own");
    app.add_option("--system", system_, "system message");
    app.add_option("--max-new-tokens", config_.max_new_tokens, "length of an answer")->check(CLI::Range(1, 1 << 20));
    app.add_option("--temperature", config_.temperature, "0: the most probable token")->check(CLI::Range(0.0, 100.0));
    app.add_option("--top-p", config_.top_p, "smallest set of tokens with this probability")->check(CLI::Range(1e-6, 1.0));
  }

  int run(const Common& common) override {
    const Workspace space = model_.open();
    const auto chat = find_chat_template(chat_template_, space, model_.model, model_.adapter);
    if (!chat) throw ConfigError(model_.model + ": the model has no chat template; give --chat-template NAME or FILE");
    config_.seed = static_cast<uint64_t>(common.seed);
    config_.stop_ids = stop_ids(space);
    end_ = turn_end(*chat);
    terminal_ = ::isatty(STDIN_FILENO) == 1 && !common.json;
    quiet_ = common.json;
    if (terminal_) log_info(chat->where() + "; " + kHelp);
    const std::unique_ptr<LineInput> lines = make_line_input(common.json ? "" : "> ");
    while (const std::optional<std::string> typed = lines->read()) {
      const std::string words = trim(*typed);
      if (words == "/exit") break;
      if (!words.empty() && !command(words)) answer(*typed, space, *chat);
    }
    if (common.json) std::cout << dump_json(Json{{"messages", messages()}}) << "\n";
    return 0;
  }

 private:
  /// True when the line was for the program and not for the model.
  bool command(const std::string& line) {
    constexpr std::string_view kSystem = "/system";
    if (line == "/reset") {
      history_ = Json::array();
    } else if (line.starts_with(kSystem) && (line.size() == kSystem.size() || line[kSystem.size()] == ' ')) {
      system_ = line.size() > kSystem.size() ? trim(line.substr(kSystem.size() + 1)) : "";
    } else if (line.starts_with('/')) {
      log_warn(printable(line) + ": unknown; " + kHelp);
    } else {
      return false;
    }
    return true;
  }

  Json messages() const {
    Json all = Json::array();
    if (!system_.empty()) all.push_back({{"role", "system"}, {"content", system_}});
    for (const Json& one : history_) all.push_back(one);
    return all;
  }

  /// A question that cannot be answered (the template refuses it, no room is left) is taken back, and the conversation goes on.
  void answer(const std::string& question, const Workspace& space, const ChatTemplate& chat) {
    history_.push_back({{"role", "user"}, {"content", question}});
    try {
      const std::string text = reply(space, chat);
      history_.push_back({{"role", "assistant"}, {"content", text}});
    } catch (const Error& error) {
      history_.erase(history_.size() - 1);
      if (!terminal_) throw;
      log_error(error.what());
    }
  }

  std::string reply(const Workspace& space, const ChatTemplate& chat) const {
    ChatOptions options;
    options.add_generation_prompt = true;
    const std::vector<std::vector<int64_t>> prompts = {space.tokenizer->encode(chat.render(messages(), nullptr, options).text)};
    const InterruptGuard guard;  // Ctrl-C stops the answer; at the prompt it ends the program, as everywhere
    Answer shown(*space.tokenizer, end_, !quiet_);
    GenerateConfig config = config_;
    config.stop = [&] { return shown.ended() || interrupt_requested(); };
    generate(*space.decoder, prompts, config, [&](size_t, int64_t id) { shown.push(id); });
    shown.finish();
    return shown.text();
  }

  ModelOptions model_;
  GenerateConfig config_;
  std::string chat_template_ = "auto", system_, end_;
  Json history_ = Json::array();
  bool terminal_ = false, quiet_ = false;
};

}  // namespace

std::unique_ptr<Command> make_chat() { return std::make_unique<Chat>(); }

}  // namespace hellora
