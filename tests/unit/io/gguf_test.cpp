// The reader of GGUF files: what is accepted, and one line for everything else.
#include "hellora/io/gguf.h"

#include "tests/support/gguf.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

GgufBytes small() {
  GgufBytes file;
  file.text("general.architecture", "llama").number("a.count", 7).real("a.eps", 1e-5F).flag("a.yes", true);
  file.array("a.texts", 8, {"x", "", "zz"}).array("a.numbers", 5, {little_endian(int32_t{-1}), little_endian(int32_t{2})});
  file.floats("b.weight", {2, 3}, {1, 2, 3, 4, 5, 6}).tensor("a.weight", {2, 32}, 2, string(36, '\1'));
  return file;
}

/// The message that a file of these bytes is refused with: one line that names it.
string refusal(const string& bytes) {
  const TempFolder folder;
  const Path path = put_file(folder / "t.gguf", bytes);
  const string message = error_of<FormatError>([&] { GgufFile file(path); });
  EXPECT_CONTAINS(message, path.string());
  EXPECT_EQ(message.find('\n'), string::npos);
  return message;
}

TEST(Gguf, ReadsAHandMadeFile) {
  for (const uint32_t version : {2U, 3U}) {
    const TempFolder folder;
    GgufBytes made = small();
    made.version = version;
    GgufFile file(put_file(folder / "t", made.bytes()));
    EXPECT_EQ(file.version(), version);
    ASSERT_EQ(file.tensors().size(), 2U);
    EXPECT_EQ(file.tensors()[0].name, "a.weight");
    const GgufTensor* b = file.find("b.weight");
    ASSERT_NE(b, nullptr);
    EXPECT_EQ(b->sizes, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(b->count(), 6);
    EXPECT_EQ(file.bytes(*b, 3, 3).size(), 12U);
    EXPECT_EQ(file.bytes(*b, 3, 1)[2], std::byte{0x80});  // 4.0F is 0x40800000
    EXPECT_EQ(file.bytes(*file.find("a.weight"), 32, 32).size(), 18U);
    EXPECT_EQ(file.find("c"), nullptr);
    file.drop(*b, 0, 6);
  }
}

TEST(Gguf, ReadsValuesOfTheirTypesAndRemembersThem) {
  const TempFolder folder;
  GgufFile file(put_file(folder / "t", small().bytes()));
  GgufMetadata& values = file.metadata();
  EXPECT_EQ(values.unread(), (std::vector<string>{"general.architecture", "a.count", "a.eps", "a.yes", "a.texts", "a.numbers"}));
  EXPECT_EQ(values.text("general.architecture"), "llama");
  EXPECT_EQ(values.integer("a.count", 0, 7), 7);
  EXPECT_EQ(values.number("a.eps", 0, 1), 1e-5);  // not 9.99999974737875e-06
  EXPECT_TRUE(values.flag_or("a.yes", false));
  EXPECT_EQ(values.texts("a.texts"), (std::vector<std::string_view>{"x", "", "zz"}));
  EXPECT_EQ(values.integers("a.numbers"), (std::vector<int64_t>{-1, 2}));
  EXPECT_TRUE(values.unread().empty());
  EXPECT_EQ(values.integer_or("none", 3, 0, 9), 3);
  EXPECT_CONTAINS(error_of<FormatError>([&] { values.integer("none", 0, 9); }), "key \"none\" is missing; expected an integer from 0 to 9");
  EXPECT_CONTAINS(error_of<FormatError>([&] { values.integer("a.count", 0, 6); }), "an integer from 0 to 6, found 7");
  EXPECT_CONTAINS(error_of<FormatError>([&] { values.text("a.count"); }), "key \"a.count\" must be a text");
  EXPECT_CONTAINS(error_of<FormatError>([&] { values.integer("a.numbers", 0, 9); }), "must be an integer");
  EXPECT_CONTAINS(error_of<FormatError>([&] { values.texts("a.numbers"); }), "must be an array of texts");
}

TEST(Gguf, RefusesOtherFilesAndVersions) {
  EXPECT_CONTAINS(refusal(""), "not a GGUF file");
  EXPECT_CONTAINS(refusal("PK\3\4 and more than twenty-four bytes"), "not a GGUF file");
  EXPECT_CONTAINS(refusal("GGUF\3"), "not a GGUF file");
  GgufBytes file = small();
  file.version = 1;
  EXPECT_CONTAINS(refusal(file.bytes()), "GGUF version 1 is not read; expected version 2 or 3, little endian");
  file.version = 0x03000000;
  EXPECT_CONTAINS(refusal(file.bytes()), "GGUF version 3, big endian, is not read");
  file.version = 4;
  EXPECT_CONTAINS(refusal(file.bytes()), "GGUF version 4 is not read");
}

TEST(Gguf, RefusesEveryCut) {
  const string whole = small().bytes();
  const TempFolder folder;
  const size_t data_end = whole.size() - 32 + 36 % 32;  // behind the last tensor comes filling alone
  for (size_t size = 0; size < data_end; ++size) refusal(whole.substr(0, size));
  EXPECT_NO_THROW(GgufFile(put_file(folder / "whole", whole)));
}

TEST(Gguf, RefusesCountsWithoutContent) {
  GgufBytes file = small();
  file.more_tensors = uint64_t{1} << 60;
  EXPECT_CONTAINS(refusal(file.bytes()), "more than the file has room for");
  file = small();
  file.more_values = uint64_t{1} << 60;
  EXPECT_CONTAINS(refusal(file.bytes()), "more than the file has room for");
  const string huge = little_endian(uint64_t{1} << 61);
  EXPECT_CONTAINS(refusal(GgufBytes().value("k", 8, huge).bytes()), "the file ends inside k");
  EXPECT_CONTAINS(refusal(GgufBytes().value("k", 9, little_endian(10U) + huge).bytes()), "the file ends inside k");  // × 8 overflows
  EXPECT_CONTAINS(refusal(GgufBytes().value("k", 9, little_endian(8U) + huge).bytes()), "the file ends inside k");
  EXPECT_CONTAINS(refusal(GgufBytes().value("k", 13, "xxxx").bytes()), "value type 13 is not known");
}

TEST(Gguf, BoundsArraysInArrays) {
  string nested = little_endian(0U) + little_endian(uint64_t{0});
  for (int depth = 0; depth < 3; ++depth) nested = little_endian(9U) + little_endian(uint64_t{1}) + nested;
  const TempFolder folder;
  EXPECT_NO_THROW(GgufFile(put_file(folder / "deep", GgufBytes().value("k", 9, nested).bytes())));
  for (int depth = 0; depth < 2000; ++depth) nested.insert(0, little_endian(9U) + little_endian(uint64_t{1}));
  EXPECT_CONTAINS(refusal(GgufBytes().value("k", 9, nested).bytes()), "arrays nest deeper than 4");
}

TEST(Gguf, RefusesNamesGivenTwiceOrBroken) {
  EXPECT_CONTAINS(refusal(GgufBytes().number("k", 1).number("k", 1).bytes()), "key \"k\" is there twice");
  EXPECT_CONTAINS(refusal(GgufBytes().number("", 1).bytes()), "is empty or no valid UTF-8");
  EXPECT_CONTAINS(refusal(GgufBytes().number("\xFF", 1).bytes()), "is empty or no valid UTF-8");
  EXPECT_CONTAINS(refusal(GgufBytes().floats("x", {1}, {1}).floats("x", {1}, {1}).bytes()), "tensor \"x\" is there twice");
  const TempFolder folder;
  GgufFile file(put_file(folder / "t", GgufBytes().text("k", "\xC3").array("a", 8, {"\xC3"}).flag("f", true).bytes()));
  EXPECT_CONTAINS(error_of<FormatError>([&] { file.metadata().text("k"); }), "valid UTF-8");
  EXPECT_CONTAINS(error_of<FormatError>([&] { file.metadata().texts("a"); }), "element 0");
}

TEST(Gguf, RefusesImpossibleTensors) {
  const string block(18, '\0');
  EXPECT_CONTAINS(refusal(GgufBytes().tensor("x", {}, 0, "").bytes()), "0 dimensions; expected 1 to 4");
  EXPECT_CONTAINS(refusal(GgufBytes().tensor("x", {1, 1, 1, 1, 1}, 0, "0000").bytes()), "5 dimensions");
  EXPECT_CONTAINS(refusal(GgufBytes().tensor("x", {0}, 0, "").bytes()), "sizes are zero");
  const uint64_t wide = uint64_t{1} << 32;
  EXPECT_CONTAINS(refusal(GgufBytes().tensor("x", {wide, wide}, 0, "0000").bytes()), "product does not fit");
  EXPECT_CONTAINS(refusal(GgufBytes().tensor("x", {uint64_t{1} << 63}, 0, "0000").bytes()), "product does not fit");
  EXPECT_CONTAINS(refusal(GgufBytes().tensor("x", {2, 16}, 2, block).bytes()), "rows of 16 elements; Q4_0 has blocks of 32");
  EXPECT_CONTAINS(refusal(GgufBytes().tensor("x", {32}, 23, block).bytes()), "type IQ4_XS is not read");
  EXPECT_CONTAINS(refusal(GgufBytes().tensor("x", {1}, 0, "0000", 4).bytes()), "offset 4 is no multiple of the alignment 32");
  EXPECT_CONTAINS(refusal(GgufBytes().tensor("x", {1}, 0, "0000", INT64_MAX - 31).bytes()), "end beyond the file's");
  EXPECT_CONTAINS(refusal(GgufBytes().tensor("x", {9}, 0, string(36, '0')).tensor("y", {1}, 0, "0000", 32).bytes()),
                  "overlaps tensor \"x\"");
}

TEST(Gguf, FollowsTheAlignment) {
  const TempFolder folder;
  GgufBytes file;
  file.alignment = 64;
  file.number("general.alignment", 64).floats("x", {1}, {1}).floats("y", {1}, {2});
  const GgufFile read(put_file(folder / "t", file.bytes()));
  EXPECT_EQ(read.bytes(*read.find("y"), 0, 1)[3], std::byte{0x40});
  EXPECT_CONTAINS(refusal(GgufBytes().number("general.alignment", 48).bytes()), "must be a power of two");
  EXPECT_CONTAINS(refusal(GgufBytes().number("general.alignment", 0).bytes()), "an integer from 1");
}

}  // namespace
}  // namespace hellora::testing
