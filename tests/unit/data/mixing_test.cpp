// Weighted files and rows that are kept for evaluation.
#include "hellora/data/mixing.h"

#include <map>
#include <set>

#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

using std::string;

/// Files of so many different rows.
Dataset files_of(const std::vector<int>& counts) {
  const TempFolder folder;
  std::vector<string> names;
  for (size_t f = 0; f < counts.size(); ++f) {
    string lines;
    for (int i = 0; i < counts[f]; ++i) lines += Json{{"text", std::to_string(f) + "," + std::to_string(i)}}.dump() + "\n";
    names.push_back(put_file(folder / std::to_string(f), lines).string());
  }
  return load_dataset(names, {}, byte_tokenizer(), kVocab);
}

std::map<int64_t, int> counted(const std::vector<int64_t>& order) {
  std::map<int64_t, int> seen;
  for (const int64_t i : order) ++seen[i];
  return seen;
}

TEST(Mixing, WeightsRepeatAndDrawRows) {
  Dataset data = files_of({10, 20, 3});
  const uint64_t unweighted = data.hash;
  EXPECT_EQ(mixed_order(data, 1, 0), file_order(data));
  set_weights(data, std::vector<double>{2, 0.25, 1.5});
  EXPECT_NE(data.hash, unweighted);
  std::set<int64_t> drawn;
  for (int64_t epoch = 0; epoch < 40; ++epoch) {
    const std::vector<int64_t> order = mixed_order(data, 7, epoch);
    EXPECT_EQ(order, mixed_order(data, 7, epoch));
    const std::map<int64_t, int> seen = counted(order);
    EXPECT_EQ(order.size(), 20U + 5U + 5U);  // 1.5 of 3 rows is 4.5, rounded up
    for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(seen.at(i), 2);
    for (int64_t i = 10; i < 30; ++i) {
      if (!seen.contains(i)) continue;
      EXPECT_EQ(seen.at(i), 1);
      drawn.insert(i);
    }
    for (int64_t i = 30; i < 33; ++i) EXPECT_TRUE(seen.at(i) == 1 || seen.at(i) == 2);
  }
  EXPECT_EQ(drawn.size(), 20U);  // over the epochs, every row
  EXPECT_NE(mixed_order(data, 7, 0), mixed_order(data, 8, 0));
  Dataset part = data;
  part.examples.resize(4);  // a profile takes the first rows
  EXPECT_EQ(mixed_order(part, 7, 0), (std::vector<int64_t>{0, 1, 2, 3, 0, 1, 2, 3}));
}

TEST(Mixing, WeightsArePerFile) {
  Dataset data = files_of({2, 3});
  const uint64_t hash = data.hash;
  EXPECT_CONTAINS(error_of<ConfigError>([&] { set_weights(data, std::vector<double>{1}); }),
                  "data.weights has 1 numbers for 2 files of data.train");
  set_weights(data, std::vector<double>{1, 1});
  EXPECT_EQ(data.hash, hash);
  set_weights(data, std::vector<double>{0.01, 1});
  EXPECT_EQ(mixed_order(data, 1, 0).size(), 4U);  // a file gives at least one row
}

std::set<string> texts(const Dataset& data) {
  std::set<string> out;
  for (const Example& one : data.examples) out.insert(whole_text(one));
  return out;
}

TEST(Split, TakesItsShareByTheRowsThemselves) {
  Dataset data = files_of({150, 50});
  const std::set<string> all = texts(data);
  Dataset eval = split_off(data, {0.05, 0}, 3);
  EXPECT_EQ(eval.examples.size(), 10U);
  EXPECT_EQ(data.examples.size(), 190U);
  EXPECT_EQ(data.parts.back().end, 190U);
  EXPECT_EQ(eval.parts.back().end, 10U);
  EXPECT_EQ(data.parts.front().end + eval.parts.front().end, 150U);
  std::set<string> both = texts(data);
  both.merge(texts(eval));
  EXPECT_EQ(both, all);
  Dataset again = files_of({150, 50}), turned = files_of({50, 150});
  EXPECT_EQ(texts(split_off(again, {0.05, 0}, 3)), texts(eval));
  EXPECT_EQ(again.hash, data.hash);
  Dataset other = files_of({150, 50});
  EXPECT_NE(texts(split_off(other, {0.05, 0}, 4)), texts(eval));
  Dataset rows = files_of({150, 50});
  EXPECT_EQ(split_off(rows, {0, 7}, 3).examples.size(), 7U);
}

/// Wherever it stands and however often, a row is on one side.
TEST(Split, EqualRowsStayTogether) {
  const TempFolder folder;
  string lines;
  for (int i = 0; i < 300; ++i) lines += Json{{"text", "row " + std::to_string(i % 60)}}.dump() + "\n";
  const string file = put_file(folder / "f", lines).string();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Dataset data = load_dataset({file}, {}, byte_tokenizer(), kVocab);
    const Dataset eval = split_off(data, {0.1, 0}, seed);
    EXPECT_EQ(eval.examples.size(), 30U);
    const std::set<string> kept = texts(eval);
    for (const string& one : texts(data)) EXPECT_FALSE(kept.contains(one));
  }
  // The same rows in another order: the same ones are kept.
  string turned;
  for (int i = 299; i >= 0; --i) turned += Json{{"text", "row " + std::to_string(i % 60)}}.dump() + "\n";
  Dataset forward = load_dataset({file}, {}, byte_tokenizer(), kVocab);
  Dataset backward = load_dataset({put_file(folder / "g", turned).string()}, {}, byte_tokenizer(), kVocab);
  EXPECT_EQ(texts(split_off(forward, {0.1, 0}, 5)), texts(split_off(backward, {0.1, 0}, 5)));
}

/// A conversation that became several rows is not torn apart.
TEST(Split, RowsOfOneRecordStayTogether) {
  const ChatTemplate chat = ChatTemplate::from_text(
      "{% for m in messages %}{{ m.role[0] }}:{{ m.content if loop.last else m.content.split('/')[-1] }} {% endfor %}{{ 'a:' if "
      "add_generation_prompt }}",
      "t", {});
  const TempFolder folder;
  string lines;
  for (int i = 0; i < 40; ++i) {
    Json messages = Json::array();
    for (const char* say : {"a", "y/b", "c", "w/d"})
      messages.push_back({{"role", messages.size() % 2 == 0 ? "user" : "assistant"}, {"content", say + std::to_string(i)}});
    lines += Json{{"messages", messages}}.dump() + "\n";
  }
  Dataset data = load_dataset({put_file(folder / "f", lines).string()}, {}, byte_tokenizer(), kVocab, &chat);
  ASSERT_EQ(data.examples.size(), 80U);
  const Dataset eval = split_off(data, {0.2, 0}, 1);
  EXPECT_EQ(eval.examples.size(), 16U);
  std::set<int64_t> records;
  for (const Example& one : eval.examples) records.insert(one.record);
  EXPECT_EQ(records.size(), 8U);
  for (const Example& one : data.examples) EXPECT_FALSE(records.contains(one.record));
}

TEST(Split, LeavesSomethingOnEitherSide) {
  Dataset two = files_of({2});
  EXPECT_EQ(split_off(two, {0.9, 0}, 1).examples.size(), 0U + 1U);
  EXPECT_EQ(two.examples.size(), 1U);
  Dataset few = files_of({3});
  EXPECT_CONTAINS(error_of<DataError>([&] { split_off(few, {0, 3}, 1); }), "3 rows cannot be kept for evaluation, there are 3 in all");
  Dataset same = load_lines("{\"text\":\"ab\"}\n{\"text\":\"ab\"}\n");
  EXPECT_CONTAINS(error_of<DataError>([&] { split_off(same, {0, 1}, 1); }), "all rows are equal");
}

TEST(Split, IsAskedForByANumber) {
  EXPECT_EQ(eval_share({"5%"})->share, 0.05);
  EXPECT_EQ(eval_share({"0.05"})->share, 0.05);
  EXPECT_EQ(eval_share({"200"})->rows, 200);
  for (const std::vector<string>& none : {std::vector<string>{}, {"0"}, {"0%"}, {"a.jsonl"}, {"a%"}, {"5%", "b.jsonl"}})
    EXPECT_FALSE(eval_share(none));
  EXPECT_EQ(eval_files({"a.jsonl"}).size(), 1U);
  EXPECT_TRUE(eval_files({"5%"}).empty());
  for (const char* wrong : {"100%", "-5%", "1.5", "-3", "1e300%"})
    EXPECT_CONTAINS(error_of<ConfigError>([&] { eval_share({wrong}); }), "is no part of the training rows; expected a share such as 5%");
  DataConfig config;
  Fields fields;
  fields.add(data_fields(&config));
  EXPECT_CONTAINS(error_of<ConfigError>([&] { fields.set_text("data.eval", "120%", "f:1"); }), "f:1: data.eval: 120% is no part");
  fields.set_text("data.weights", "1,0.5", "f:1");
  EXPECT_EQ(config.weights, (std::vector<double>{1, 0.5}));
  for (const char* wrong : {"0", "-1", "nan", "1001", "x"}) {
    EXPECT_CONTAINS(error_of<ConfigError>([&] { fields.set_text("data.weights", wrong, "f:1"); }), "f:1");
  }
}

}  // namespace
}  // namespace hellora::testing
