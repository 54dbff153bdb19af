#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/model_options.h"
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/terminal.h"
#include "hellora/data/format.h"
#include "hellora/eval/generate.h"

namespace hellora {
namespace {

class Generate : public Command {
 public:
  void declare(CLI::App& app) override {
    model_.declare(app);
    app.add_option("--prompt", prompt_, "text to continue")->required();
    app.add_flag("--raw", raw_, "take the prompt as it is, without the template of the adapter's training data");
    app.add_option("--chat-template", chat_template_, "built-in name or file; auto: what the adapter was trained with");
    app.add_option("--max-new-tokens", config_.max_new_tokens, "at most so many")->check(CLI::Range(1, 1 << 20));
    app.add_option("--temperature", config_.temperature, "0: the most probable token")->check(CLI::Range(0.0, 100.0));
    app.add_option("--top-p", config_.top_p, "smallest set of tokens with this probability")->check(CLI::Range(1e-6, 1.0));
  }

  /// The text as training showed it: through the template that travels in the adapter.
  std::string templated(const Workspace& space) const {
    const std::string& name = space.adapter.origin.data_format;
    if (raw_) return prompt_;
    const bool chats = chat_template_ != "auto" || (!name.empty() && find_format(name).shape == RecordShape::chat);
    if (!chats) return name.empty() ? prompt_ : render_prompt(find_format(name), prompt_);
    const auto chat = find_chat_template(chat_template_, space, model_.model, model_.adapter);
    if (!chat) throw ConfigError(model_.model + ": the model has no chat template; give --chat-template NAME or FILE");
    ChatOptions options;
    options.add_generation_prompt = true;
    return chat->render(Json::array({{{"role", "user"}, {"content", prompt_}}}), nullptr, options).text;
  }

  int run(const Common& common) override {
    const Workspace space = model_.open();
    const Tokenizer& tokenizer = *space.tokenizer;
    config_.seed = static_cast<uint64_t>(common.seed);
    config_.stop_ids = stop_ids(space);
    StreamDecoder stream(tokenizer);
    const std::vector<std::vector<int64_t>> prompts = {tokenizer.encode(templated(space))};
    const OnToken show = [&](size_t, int64_t id) { std::cout << result_text(stream.push(id)) << std::flush; };
    const auto ids = generate(*space.decoder, prompts, config_, common.json ? OnToken() : show);
    if (common.json) {
      std::cout << dump_json(Json{{"prompt", prompt_}, {"text", tokenizer.decode(ids[0], true)}, {"ids", ids[0]}}) << "\n";
    } else {
      std::cout << result_text(stream.finish()) << "\n";
    }
    return 0;
  }

 private:
  ModelOptions model_;
  GenerateConfig config_;
  std::string prompt_;
  std::string chat_template_ = "auto";
  bool raw_ = false;
};

}  // namespace

std::unique_ptr<Command> make_generate() { return std::make_unique<Generate>(); }

}  // namespace hellora
