#include "hellora/io/jsonl.h"

#include <cmath>
#include <limits>

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;
using Lines = std::vector<std::pair<int64_t, string>>;

Lines read(const string& text) {
  const TempFolder folder;
  Lines lines;
  for_each_json_line(put_file(folder / "x.jsonl", text),
                     [&](int64_t number, const Json& value) { lines.emplace_back(number, value.dump()); });
  return lines;
}

string refusal(const string& text) {
  return error_of<FormatError>([&] { read(text); });
}

TEST(JsonLinesRead, NumbersLinesAndSkipsEmptyOnes) {
  EXPECT_EQ(read("{\"a\":1}\n\n  \t\r\n[2]\r\n\"é\""), (Lines{{1, "{\"a\":1}"}, {4, "[2]"}, {5, "\"é\""}}));
  EXPECT_EQ(read(""), Lines{});
  EXPECT_EQ(read("1"), (Lines{{1, "1"}}));
}

TEST(JsonLinesRead, ToleratesOneByteOrderMark) {
  EXPECT_EQ(read("\xEF\xBB\xBF{}\n1\n"), (Lines{{1, "{}"}, {2, "1"}}));
  EXPECT_EQ(read("\xEF\xBB\xBF\n1\n"), (Lines{{2, "1"}}));
  EXPECT_CONTAINS(refusal("1\n\xEF\xBB\xBF{}\n"), "x.jsonl:2: byte order mark");
  EXPECT_CONTAINS(refusal("\xEF\xBB\xBF\xEF\xBB\xBF{}\n"), "x.jsonl:1: byte order mark");
}

TEST(JsonLinesRead, HoldsOneLineOfABoundedLength) {
  const TempFolder folder;
  const string longest(200000, 'x');  // several of its buffers
  const Path path = put_file(folder / "x.jsonl", "a\n" + longest + "\n\n" + longest);
  LineReader lines(path, longest.size());
  string line;
  EXPECT_TRUE(lines.next(line) && line == "a");
  EXPECT_TRUE(lines.next(line) && line == longest && lines.number() == 2);
  EXPECT_TRUE(lines.next(line) && line == longest && lines.number() == 4);
  EXPECT_FALSE(lines.next(line));
  LineReader narrow(path, longest.size() - 1);
  EXPECT_TRUE(narrow.next(line));
  EXPECT_CONTAINS(error_of<FormatError>([&] { narrow.next(line); }), "x.jsonl:2: longer than 199999 bytes; expected one JSON value a line");
}

TEST(JsonLinesRead, NamesFileAndLine) {
  EXPECT_CONTAINS(refusal("1\n\n{\"a\":}\n"), "x.jsonl:3: not valid JSON");
  EXPECT_CONTAINS(refusal("1 2\n"), "x.jsonl:1: not valid JSON");
  EXPECT_CONTAINS(refusal("1\n   {\"a\": }\n"), "x.jsonl:2: not valid JSON at column 10 (");  // as an editor counts
  EXPECT_CONTAINS(refusal("1\n{\"a\":1,\"a\":2}\n"), "x.jsonl:2: duplicate key \"a\"");
  EXPECT_CONTAINS(refusal("1\n\"\xC3(\"\n"), "x.jsonl:2: not valid UTF-8");
  EXPECT_CONTAINS(refusal("\xFF\n"), "x.jsonl:1: not valid UTF-8");
  EXPECT_CONTAINS(refusal(string(1000, '[') + "\n"), "x.jsonl:1: JSON nested deeper");
  EXPECT_CONTAINS(refusal(string("1\0\n", 3)), "x.jsonl:1: not valid JSON");
}

TEST(JsonLinesRead, PassesTheVisitorsErrorAndRefusesFolders) {
  const TempFolder folder;
  const Path path = put_file(folder / "x", "1\n2\n");
  int seen = 0;
  EXPECT_EQ(error_of<DataError>([&] {
              for_each_json_line(path, [&](int64_t, const Json&) {
                ++seen;
                throw DataError("stop");
              });
            }),
            "stop");
  EXPECT_EQ(seen, 1);
  EXPECT_CONTAINS(error_of<DataError>([&] { for_each_json_line(folder.path(), [](int64_t, const Json&) {}); }), "directory");
  EXPECT_CONTAINS(error_of<DataError>([&] { for_each_json_line(folder / "none", [](int64_t, const Json&) {}); }), "No such file");
}

TEST(JsonLinesWrite, WritesAppendsAndTruncates) {
  const TempFolder folder;
  const Path path = folder / "m.jsonl";
  {
    JsonLines lines(path, false);
    lines.write({{"step", 1}, {"loss", 0.5}});
    EXPECT_EQ(slurp(path), "{\"step\":1,\"loss\":0.5}\n");  // visible before the writer is gone
    lines.write({{"loss", std::numeric_limits<double>::quiet_NaN()}});
  }
  JsonLines(path, true).write("a\nb");
  EXPECT_EQ(slurp(path), "{\"step\":1,\"loss\":0.5}\n{\"loss\":null}\n\"a\\nb\"\n");
  EXPECT_EQ(read(slurp(path)).size(), 3U);
  JsonLines(path, false).write(1);
  EXPECT_EQ(slurp(path), "1\n");
}

TEST(JsonLinesWrite, KeepsGoingOnBytesThatAreNoText) {
  const TempFolder folder;
  JsonLines(folder / "m", false).write("a\xFFz");
  EXPECT_EQ(slurp(folder / "m"), "\"a\xEF\xBF\xBDz\"\n");
}

TEST(JsonLinesWrite, FullDiskAndMissingFolder) {
  JsonLines full("/dev/full", true);
  const string message = error_of<DataError>([&] { full.write(1); });
  EXPECT_CONTAINS(message, "cannot write /dev/full: No space left");
  const TempFolder folder;
  EXPECT_CONTAINS(error_of<DataError>([&] { JsonLines lines(folder / "no/m", true); }), "no/m: No such file");
}

}  // namespace
}  // namespace hellora::testing
