// GSM8K: which number counts as the answer, and a model that has learned its rows by heart.
#include <regex>

#include "hellora/core/rng.h"
#include "hellora/eval/task.h"
#include "tests/unit/data/records.h"
#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

TEST(FinalNumber, IsTheLastOneWithoutCommasAndTrailingZeros) {
  const std::vector<std::pair<const char*, const char*>> table = {{"#### 72", "72"},
                                                                  {"12 plus 3 is 15.", "15"},
                                                                  {"$1,234,567", "1234567"},
                                                                  {"-5", "-5"},
                                                                  {"1,200.50", "1200.5"},
                                                                  {"3.00", "3"},
                                                                  {"0.25", "0.25"},
                                                                  {"no number", ""},
                                                                  {"", ""},
                                                                  {"10-3=7", "7"},
                                                                  {"it costs 40 dollars.", "40"},
                                                                  {"100", "100"},
                                                                  {"1.5 or 2.50%", "2.5"},
                                                                  {"about -1,000.0", "-1000"}};
  for (const auto& [text, want] : table) EXPECT_EQ(final_number(text), want) << text;
}

/// What final_number was first written as: the last match of the expression, cleaned.
std::string by_expression(const std::string& text) {
  static const std::regex number(R"(-?[0-9][0-9,]*(\.[0-9]+)?)");
  std::string last;
  for (std::sregex_iterator it(text.begin(), text.end(), number), end; it != end; ++it) last = it->str();
  std::erase(last, ',');
  if (last.find('.') != std::string::npos) {
    last.erase(last.find_last_not_of('0') + 1);
    if (last.ends_with('.')) last.pop_back();
  }
  return last;
}

TEST(FinalNumber, IsTheExpressionsOnRandomTexts) {
  constexpr std::string_view kLetters = "0123456789--,,..  a#$\n";
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    const RngKey key = make_key(seed);
    std::string text;
    for (uint64_t i = 0; i < random_u64(key, 0) % 40; ++i) text += kLetters[random_u64(key, i + 1) % kLetters.size()];
    ASSERT_EQ(final_number(text), by_expression(text)) << text;
  }
}

TEST(FinalNumber, OfMillionsOfDigits) {
  const std::string digits(5'000'000, '1');
  EXPECT_EQ(final_number("#### " + digits), digits);
  EXPECT_EQ(final_number("-" + digits + "." + digits + "000"), "-" + digits + "." + digits);
  EXPECT_EQ(final_number("1" + std::string(5'000'000, ',')), "1");
  EXPECT_EQ(final_number(std::string(5'000'000, '-')), "");
}

/// Five rows with the answers that `answer` gives, learned by a full fine-tuning of a byte model.
struct Learned {
  explicit Learned(int64_t steps) : model(byte_shape()) {
    AdapterConfig config = tiny_config({"q", "k", "v", "o", "router", "gate", "up", "down", "embed", "lm_head"});
    config.rank = 8;
    config.alpha = 16;
    adapters = fresh_adapters(byte_shape(), all_experts(byte_shape()), config);
    for (int64_t i = 0; i < 5; ++i) {
      const Json row = {{"question", std::string(1, static_cast<char>('a' + 5 * i)) + "?"},
                        {"answer", "so\n#### " + std::to_string(7 * i + 3)}};
      lines += row.dump() + "\n";
    }
    const Dataset data = load_lines(lines);
    TrainJob job;
    job.decoder = model.decoder.get();
    job.adapters = adapters.get();
    job.data = &data;
    job.config.max_steps = steps;
    job.config.lr = 2e-2;
    job.packing = {256, true, 64};
    model.decoder->bind(adapters.get());
    train(job);
  }
  static ModelShape byte_shape() {
    ModelShape shape = tiny_shape();
    shape.vocab = kVocab;
    return shape;
  }
  TaskResult evaluate(const std::string& rows, int64_t limit = 0) const {
    const TempFolder folder;
    TaskOptions options;
    options.data = put_file(folder / "rows.jsonl", rows).string();
    options.limit = limit;
    options.batch = 2;
    options.max_new_tokens = 24;
    options.stop_ids = {*byte_tokenizer().eos()};
    return find_task("gsm8k").run(*model.decoder, byte_tokenizer(), options);
  }
  TinyModel model;
  std::unique_ptr<AdapterSet> adapters;
  std::string lines;
};

TEST(Gsm8k, AModelThatKnowsItsRowsGetsAllOfThem) {
  const Learned learned(120);
  const TaskResult all = learned.evaluate(learned.lines);
  EXPECT_EQ(all.metrics["exact_match"], 1.0) << Json(all.samples).dump(1);
  EXPECT_EQ(all.metrics["correct"], 5);
  EXPECT_EQ(all.metrics["with_marker"], 5);
  EXPECT_EQ(all.samples[1]["output"], " so\n#### 10");  // it stopped at the end of text
  EXPECT_EQ(learned.evaluate(learned.lines, 2).count, 2);
  std::string wrong = learned.lines;  // other truths, same questions
  for (size_t at = wrong.find("#### "); at != std::string::npos; at = wrong.find("#### ", at + 1)) wrong.insert(at + 5, "1");
  EXPECT_EQ(learned.evaluate(wrong).metrics["exact_match"], 0.0);
}

TEST(Gsm8k, RefusesAnAnswerWithoutItsMarker) {
  const Learned untrained(1);
  EXPECT_CONTAINS(error_of<DataError>([&] { untrained.evaluate("{\"question\": \"q\", \"answer\": \"4\"}\n"); }),
                  "rows.jsonl:1: the answer has no");
}

}  // namespace
}  // namespace hellora::testing
