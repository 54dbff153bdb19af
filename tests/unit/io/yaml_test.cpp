#include "hellora/io/yaml.h"

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

/// "key=value@line" for each entry, lists as [a|b].
std::vector<string> read(const string& text) {
  const TempFolder folder;
  std::vector<string> out;
  for (const YamlEntry& entry : read_yaml(put_file(folder / "c.yaml", text))) {
    string values;
    for (const string& value : entry.values) values += (values.empty() ? "" : "|") + value;
    EXPECT_TRUE(entry.is_list || entry.values.size() == 1) << entry.key;
    out.push_back(entry.key + "=" + (entry.is_list ? "[" + values + "]" : values) + "@" + std::to_string(entry.line));
  }
  return out;
}

string refusal(const string& text) {
  return error_of<FormatError>([&] { read(text); });
}

using Entries = std::vector<string>;

TEST(Yaml, FlattensNestedMaps) {
  EXPECT_EQ(read("seed: 7\ntrain:\n  lr: 4e-4\n  # note\n  deep: {er: true}\nadapter: {targets: [q, 'k v'], rank: 32}\n"),
            (Entries{"seed=7@1", "train.lr=4e-4@3", "train.deep.er=true@5", "adapter.targets=[q|k v]@6", "adapter.rank=32@6"}));
}

TEST(Yaml, DottedKeysEqualNestedOnes) { EXPECT_EQ(read("train.lr: 1\ntrain: {wd: 2}\n"), (Entries{"train.lr=1@1", "train.wd=2@2"})); }

TEST(Yaml, ScalarsStayText) {
  EXPECT_EQ(read("a:\nb: ~\nc: 'null'\nd: \"x\\ty\"\ne: 010\nf: |\n  two\n  lines\ng: é\n"),
            (Entries{"a=@1", "b=@2", "c=null@3", "d=x\ty@4", "e=010@5", "f=two\nlines\n@6", "g=é@9"}));
}

TEST(Yaml, EveryEndOfFile) {
  for (const char* text : {"a: 1", "a: 1\n", "a: 1\r\n", "a: 1\n\n  ", "---\na: 1\n", "a: 1\n...\n", "a: 1\n# note", "a: 1 # note"}) {
    EXPECT_EQ(read(text).size(), 1U) << text;
    EXPECT_TRUE(read(text).at(0).starts_with("a=1@")) << text;
  }
}

TEST(Yaml, Lists) {
  EXPECT_EQ(read("a: []\nb: [x]\nc:\n  - 1\n  - y\n"), (Entries{"a=[]@1", "b=[x]@2", "c=[1|y]@3"}));
  EXPECT_EQ(read("{}\n"), Entries{});
  EXPECT_EQ(read("a: {}\n"), Entries{});
}

TEST(Yaml, MapsInAListAreNumbered) {
  EXPECT_EQ(read("datasets:\n  - path: a.jsonl\n    type: x\n  - path: b.jsonl\n"),
            (Entries{"datasets.0.path=a.jsonl@2", "datasets.0.type=x@3", "datasets.1.path=b.jsonl@4"}));
}

TEST(Yaml, NullIsToldFromEmptyText) {
  const TempFolder folder;
  for (const char* null : {"~", "null", "Null", "NULL", ""}) {
    EXPECT_TRUE(read_yaml(put_file(folder / "c.yaml", string("a: ") + null + "\n")).at(0).is_null) << null;
  }
  for (const char* text : {"'~'", "\"null\"", "''", "nil", "none", "[]"}) {
    EXPECT_FALSE(read_yaml(put_file(folder / "c.yaml", string("a: ") + text + "\n")).at(0).is_null) << text;
  }
  EXPECT_CONTAINS(refusal("a:\n  - x\n  - ~\n"), "c.yaml:3: key \"a\": null in a list");
}

TEST(Yaml, RefusesWhatOtherReadersWouldFillIn) {
  EXPECT_CONTAINS(refusal("a: &x {k: 1}\nb:\n  <<: *x\n"), "c.yaml:3: merge keys (<<)");
  EXPECT_CONTAINS(refusal("a: !include other.yaml\n"), "c.yaml:1: the tag \"!include\"");
  EXPECT_CONTAINS(refusal("a: !!python/object:x {b: 1}\n"), "the tag");
  EXPECT_CONTAINS(refusal("a: [!env HOME]\n"), "the tag");
  EXPECT_EQ(read("a: !!str 5\nb: !!int 6\n"), (Entries{"a=5@1", "b=6@2"}));
}

TEST(Yaml, RefusesTabsInTheIndentation) {
  for (const char* text : {"train:\n\tlr: 1\n", "train:\n  \tlr: 1\n", "train:\n \t- 1\n", "train:\r\n\tlr: 1\r\n"})
    EXPECT_CONTAINS(refusal(text), "c.yaml:2: a tab in the indentation");
  EXPECT_EQ(read("a: 1\t\nb:\t2\n"), (Entries{"a=1@1", "b=2@2"}));
}

TEST(Yaml, AnchorsAreFollowed) { EXPECT_EQ(read("a: &x {k: 1}\nb: *x\n"), (Entries{"a.k=1@1", "b.k=1@1"})); }

TEST(Yaml, RefusesDuplicateKeys) {
  EXPECT_CONTAINS(refusal("a: 1\nb: 2\na: 3\n"), "c.yaml:3: duplicate key \"a\"");
  EXPECT_CONTAINS(refusal("t:\n  lr: 1\nt:\n  wd: 1\n"), "c.yaml:3: duplicate key \"t\"");
  EXPECT_CONTAINS(refusal("t:\n  lr: 1\nt.lr: 2\n"), "c.yaml:3: duplicate key \"t.lr\"");
  EXPECT_CONTAINS(refusal("t: {lr: 1, lr: 1}\n"), "c.yaml:1: duplicate key \"t.lr\"");
}

TEST(Yaml, RefusesSyntaxErrorsWithTheirLine) {
  EXPECT_CONTAINS(refusal("a: 1\nb: [1, 2\n"), "not valid YAML");
  EXPECT_CONTAINS(refusal("a: 1\n b: 2\n"), "c.yaml:2: not valid YAML");
  EXPECT_CONTAINS(refusal("a: 1\nb: *nope\n"), "c.yaml:2: not valid YAML");
  for (const char* open : {"a: \"open", "a: \"open\n", "a: 'open\n", "a: \"open\nb: 2\n", "a: \"open\nb: 2\n  ", "a: [\"open\n"}) {
    EXPECT_CONTAINS(refusal(open), "not valid YAML");
  }
}

TEST(Yaml, RefusesOtherShapes) {
  EXPECT_CONTAINS(refusal(""), "c.yaml:1: expected a map");
  EXPECT_CONTAINS(refusal("# only a comment\n"), "expected a map");
  EXPECT_CONTAINS(refusal("- 1\n- 2\n"), "expected a map");
  EXPECT_CONTAINS(refusal("text\n"), "expected a map");
  EXPECT_CONTAINS(refusal("a:\n  - b\n  - {c: 1}\n"), "c.yaml:3: key \"a\": a list may only hold plain values");
  EXPECT_CONTAINS(refusal("a:\n  - {b: 1}\n  - c\n"), "c.yaml:3: key \"a\": a list may hold plain values or maps, not both");
  EXPECT_CONTAINS(refusal("a: [[1]]\n"), "a list may only hold plain values");
  EXPECT_CONTAINS(refusal("? [a, b]\n: 1\n"), "a key must be a plain word");
  EXPECT_CONTAINS(refusal("~: 1\n"), "a key must be a plain word");
  EXPECT_CONTAINS(refusal("'': 1\n"), "a key must be a plain word");
  EXPECT_CONTAINS(refusal("a: 1\n---\nb: 2\n"), "c.yaml:2: expected one YAML document");
  EXPECT_CONTAINS(refusal("&a ,b\n"), "expected one YAML document");  // yaml-cpp's LoadAll does not come back from this
}

TEST(Yaml, BoundsDepthAndSize) {
  string deep(1, '1'), fine(1, '1');
  for (int i = 0; i < 17; ++i) deep.insert(0, "{k: ").append("}");
  for (int i = 0; i < 15; ++i) fine.insert(0, "{k: ").append("}");
  EXPECT_CONTAINS(refusal("a: " + deep + "\n"), "nested deeper than 16");
  EXPECT_EQ(read("a: " + fine + "\n").size(), 1U);
  EXPECT_CONTAINS(refusal("a: &x {k: *x}\n"), "c.yaml:1:");  // a map that holds itself
  EXPECT_CONTAINS(refusal(string(100'000, '[')), "not valid YAML");
  EXPECT_CONTAINS(refusal("a: " + string(1 << 20, 'x') + "\n"), "at most 1 MiB");
}

TEST(Yaml, BoundsWhatAliasesStandFor) {
  string bomb = "a0: &a0 {k0: 1, k1: 1, k2: 1, k3: 1, k4: 1, k5: 1, k6: 1, k7: 1, k8: 1, k9: 1}\n";
  for (int i = 1; i < 10; ++i) {
    const string level = std::to_string(i), below = std::to_string(i - 1);
    bomb += "a" + level + ": &a" + level + " {";
    for (int k = 0; k < 10; ++k) bomb += (k > 0 ? ", k" : "k") + std::to_string(k) + ": *a" + below;
    bomb += "}\n";
  }
  EXPECT_CONTAINS(refusal(bomb), "more than 100000 values");
}

TEST(Yaml, RefusesWhatIsNoText) {
  EXPECT_CONTAINS(refusal("a: \xFF\n"), "not valid UTF-8");
  EXPECT_CONTAINS(refusal(string("a: \0\n", 5)), "not valid UTF-8");
  EXPECT_EQ(read("\xEF\xBB\xBF"
                 "a: 1\n"),
            (Entries{"a=1@1"}));
  const TempFolder folder;
  EXPECT_CONTAINS(error_of<DataError>([&] { read_yaml(folder / "none.yaml"); }), "none.yaml: No such file");
}

}  // namespace
}  // namespace hellora::testing
