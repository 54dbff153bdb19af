// Records of a file: lines, arrays and packed files, and what is refused by what its first bytes say.
#include "hellora/io/records.h"

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;
using Lines = std::vector<std::pair<int64_t, string>>;

Lines read(const string& bytes, const string& name = "x.jsonl") {
  const TempFolder folder;
  Lines lines;
  for_each_record(put_file(folder / name, bytes), [&](int64_t number, const Json& value) { lines.emplace_back(number, value.dump()); });
  return lines;
}

string refusal(const string& bytes, const string& name = "x.jsonl") {
  return error_of<FormatError>([&] { read(bytes, name); });
}

// The lines {"a":1}, an empty one and [2], packed by gzip and by zstd.
const string kGzip(
    "\x1F\x8B\x08\x00\x00\x00\x00\x00\x02\x03\xAB\x56\x4A\x54\xB2\x32\xAC\xE5\xE2\x8A\x36\x8A\xE5\x02\x00\x0E\xBA\x7E\x3C\x0D\x00\x00\x00",
    33);
const string kZstd("\x28\xB5\x2F\xFD\x24\x0D\x69\x00\x00\x7B\x22\x61\x22\x3A\x31\x7D\x0A\x0A\x5B\x32\x5D\x0A\x56\xFB\x86\x17", 26);

TEST(Records, LinesAreLines) {
  EXPECT_EQ(read("{\"a\":1}\n\n {\"b\":2}\r\n"), (Lines{{1, "{\"a\":1}"}, {3, "{\"b\":2}"}}));
  EXPECT_EQ(read(""), Lines{});
  EXPECT_EQ(read(" \n\n"), Lines{});
}

TEST(Records, AnArrayHoldsThemOnAnyLines) {
  EXPECT_EQ(read("[{\"a\":1},{\"b\":[1,{\"c\":\"],}\\\"[\"}]}]"), (Lines{{1, "{\"a\":1}"}, {1, "{\"b\":[1,{\"c\":\"],}\\\"[\"}]}"}}));
  EXPECT_EQ(read("\n [\n {\"a\":1,\n\"b\":2\n}\n ,\r\n\n{\"c\":3} ]\n\n"), (Lines{{3, "{\"a\":1,\"b\":2}"}, {8, "{\"c\":3}"}}));
  EXPECT_EQ(read("\xEF\xBB\xBF[{}]"), (Lines{{1, "{}"}}));
  EXPECT_EQ(read("[]"), Lines{});
  EXPECT_EQ(read(" [ ] \n"), Lines{});
  const string big(300000, 'x');  // several of its buffers
  EXPECT_EQ(read("[\"" + big + "\",\n\"" + big + "\"]"), (Lines{{1, "\"" + big + "\""}, {2, "\"" + big + "\""}}));
}

TEST(Records, AMalformedArrayIsNamedByItsLine) {
  EXPECT_CONTAINS(refusal("[\n{},\n]"), "x.jsonl:3: not a JSON array of records: a comma before the end");
  EXPECT_CONTAINS(refusal("[{} {}]"), "x.jsonl:1: ");
  EXPECT_CONTAINS(refusal("[{},,{}]"), "a record is missing before the comma");
  EXPECT_CONTAINS(refusal("[,{}]"), "a record is missing before the comma");
  EXPECT_CONTAINS(refusal("[{}"), "the file ends inside of the record that begins at line 1");
  EXPECT_CONTAINS(refusal("[{},\n"), "x.jsonl:2: not a JSON array of records: the file ends inside of the array");
  EXPECT_CONTAINS(refusal("["), "the file ends inside of the array");
  EXPECT_CONTAINS(refusal("[{}]\n[{}]"), "x.jsonl:2: not a JSON array of records: there is more after the end");
  EXPECT_CONTAINS(refusal("[{},\n\n{\"a\":}]"), "x.jsonl:3: not valid JSON");
  EXPECT_CONTAINS(refusal(string(1000, '[')), "the file ends inside of the record");
  EXPECT_CONTAINS(refusal("{\n\"a\": 1\n}"), "x.jsonl:1: not valid JSON");
  EXPECT_CONTAINS(refusal("{\n\"a\": 1\n}"), "a record over several lines? Expected one record a line, or an array of them");
  const TempFolder folder;
  RecordReader narrow(put_file(folder / "x", "[\"12345\",\"123456\"]"), 7);
  string record;
  EXPECT_TRUE(narrow.next(record) && record == "\"12345\"");
  EXPECT_CONTAINS(error_of<FormatError>([&] { narrow.next(record); }), "x:1: a record longer than 7 bytes");
}

TEST(Records, PackedFilesAreReadWhateverTheirName) {
  const Lines wanted = {{1, "{\"a\":1}"}, {3, "[2]"}};
  EXPECT_EQ(read(kGzip, "x.jsonl.gz"), wanted);
  EXPECT_EQ(read(kGzip), wanted);
  EXPECT_EQ(read(kZstd, "x.jsonl.zst"), wanted);
  EXPECT_EQ(read(kGzip + kGzip), (Lines{{1, "{\"a\":1}"}, {3, "[2]"}, {4, "{\"a\":1}"}, {6, "[2]"}}));  // two members
  EXPECT_EQ(read(kZstd + kZstd).size(), 4U);
}

TEST(Records, DamagedAndCutPackedFilesAreNamed) {
  for (const string& whole : {kGzip, kZstd}) {
    for (size_t length = 4; length < whole.size(); ++length) {
      const string message = refusal(whole.substr(0, length));
      EXPECT_CONTAINS(message, "x.jsonl: ");
      EXPECT_CONTAINS(message, "ends early");
    }
  }
  string damaged = kGzip;
  damaged[damaged.size() - 6] ^= 1;  // the checksum
  EXPECT_CONTAINS(refusal(damaged), "damaged gzip data");
  EXPECT_CONTAINS(refusal(kGzip + "more"), "damaged gzip data");
  EXPECT_CONTAINS(refusal(kZstd + "more"), "damaged zstd data");
}

TEST(Records, OtherKindsOfFilesAreNamedWithWhatToDo) {
  EXPECT_CONTAINS(refusal("PAR1\x15\x04", "t.parquet"), "t.parquet: Parquet is not read; expected JSON Lines");
  EXPECT_CONTAINS(refusal("PAR1\x15\x04", "t.parquet"), "pandas.read_parquet('");
  EXPECT_CONTAINS(refusal("PAR1\x15\x04", "t.parquet"), "/t.jsonl', orient='records', lines=True)");
  EXPECT_CONTAINS(refusal("ARROW1", "t"), "Arrow is not read");
  EXPECT_CONTAINS(refusal("PK\x03\x04", "t.zip"), "unzip -p");
  EXPECT_CONTAINS(refusal("BZh91AY", "t.bz2"), "bzip2 -dc");
  EXPECT_CONTAINS(refusal("\xFD"
                          "7zXZ",
                          "t.xz"),
                  "xz -dc");
  EXPECT_CONTAINS(refusal("version https://git-lfs.github.com/spec/v1\noid", "t.jsonl"), "a Git LFS pointer: the file was not downloaded");
  EXPECT_CONTAINS(refusal("a,b\n1,2\n", "t.csv"), "t.csv: csv is not read");
  EXPECT_CONTAINS(refusal("a\tb\n", "t.tsv"), "tsv is not read");
  EXPECT_EQ(read("{}\n", "t.csv").size(), 1U);  // records by another name
}

}  // namespace
}  // namespace hellora::testing
