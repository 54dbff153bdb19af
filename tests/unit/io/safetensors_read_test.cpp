#include "hellora/io/safetensors.h"

#include <chrono>
#include <cstring>

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

string length_prefix(uint64_t length) {
  string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(length >> (8 * i));
  return out;
}

string file_bytes(const string& header, const string& data) { return length_prefix(header.size()) + header + data; }

/// The error for a file with this header and data; it must name the file.
string refusal(const string& header, const string& data = "") {
  const TempFolder folder;
  const Path path = put_file(folder / "t.safetensors", file_bytes(header, data));
  const string message = error_of<FormatError>([&] { SafetensorsFile file(path); });
  EXPECT_CONTAINS(message, path.string());
  EXPECT_EQ(message.find('\n'), string::npos);
  return message;
}

string tensor(const string& dtype, const string& shape, const string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

string one(const string& dtype, const string& shape, const string& offsets) { return R"({"w":)" + tensor(dtype, shape, offsets) + "}"; }

string two(const string& first, const string& second) {
  return R"({"a":)" + tensor("U8", "[4]", first) + R"(,"b":)" + tensor("U8", "[4]", second) + "}";
}

TEST(SafetensorsRead, ReadsAHandMadeFile) {
  const TempFolder folder;
  const string header = R"({"z":)" + tensor("BF16", "[2,1]", "[0,4]") + R"(,"__metadata__":{"format":"pt"},"a":)" +
                        tensor("F32", "[]", "[4,8]") + R"(,"none":)" + tensor("I64", "[0,7]", "[4,4]") + "}   ";
  const Path path = put_file(folder / "t", file_bytes(header, string("\x80\x3F\x00\x40\x00\x00\xC0\x3F", 8)));
  const SafetensorsFile file(path);
  ASSERT_EQ(file.tensors().size(), 3U);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.tensors()[1].name, "none");
  EXPECT_EQ(file.tensors()[2].name, "z");
  EXPECT_EQ(file.metadata(), (std::map<string, string>{{"format", "pt"}}));
  const TensorInfo* z = file.find("z");
  ASSERT_NE(z, nullptr);
  EXPECT_EQ(z->dtype, Dtype::bf16);
  EXPECT_EQ(z->shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(z->count(), 2);
  float value = 0;
  ASSERT_EQ(file.bytes(*file.find("a")).size(), 4U);
  std::memcpy(&value, file.bytes(*file.find("a")).data(), 4);
  EXPECT_EQ(value, 1.5F);  // 0x3FC00000
  EXPECT_TRUE(file.bytes(*file.find("none")).empty());
  EXPECT_EQ(file.find("none")->count(), 0);
  EXPECT_EQ(file.find("b"), nullptr);
  EXPECT_EQ(file.find("zz"), nullptr);
  file.drop(*z);
  EXPECT_EQ(static_cast<uint8_t>(file.bytes(*z)[1]), 0x3F);
}

TEST(SafetensorsRead, AcceptsEveryDtypeAndAnEmptyFile) {
  const TempFolder folder;
  const std::vector<std::pair<string, int>> sizes = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                                     {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
  for (const auto& [name, size] : sizes) {
    const Path path = put_file(folder / name, file_bytes(one(name, "[3]", "[0," + std::to_string(3 * size) + "]"), string(3U * size, 'x')));
    const SafetensorsFile file(path);
    EXPECT_EQ(dtype_name(file.tensors()[0].dtype), name);
    EXPECT_EQ(dtype_size(file.tensors()[0].dtype), static_cast<size_t>(size));
  }
  EXPECT_TRUE(SafetensorsFile(put_file(folder / "empty", file_bytes("{}", ""))).tensors().empty());
}

TEST(SafetensorsRead, RefusesBadHeaderLengths) {
  const TempFolder folder;
  const auto refused = [&](const string& bytes) {
    return error_of<FormatError>([&] { SafetensorsFile file(put_file(folder / "t", bytes)); });
  };
  EXPECT_CONTAINS(refused(""), "0 bytes");
  EXPECT_CONTAINS(refused("1234567"), "7 bytes");
  EXPECT_CONTAINS(refused(length_prefix(3) + "{}"), "expected at most 2");
  EXPECT_CONTAINS(refused(length_prefix(UINT64_MAX) + "{}"), "18446744073709551615");
  EXPECT_CONTAINS(refused(length_prefix(UINT64_MAX - 7) + "{}"), "expected at most 2");
  EXPECT_CONTAINS(refused(length_prefix(0)), "JSON object");
}

TEST(SafetensorsRead, RefusesAHeaderAbove100MB) {
  const TempFolder folder;
  const Path path = put_file(folder / "t", length_prefix(100'000'001) + "{}");
  std::filesystem::resize_file(path, 100'000'100);  // sparse: takes no space
  EXPECT_CONTAINS(error_of<FormatError>([&] { SafetensorsFile file(path); }), "expected at most 100000000");
}

TEST(SafetensorsRead, RefusesHeadersThatAreNoObject) {
  EXPECT_CONTAINS(refusal("[1]"), "JSON object");
  EXPECT_CONTAINS(refusal(" {}"), "starts with");
  EXPECT_CONTAINS(refusal("{"), "not valid JSON");
  EXPECT_CONTAINS(refusal("{} x"), "not valid JSON");
  EXPECT_CONTAINS(refusal("{\"a\xFF\":1}"), "UTF-8");
  EXPECT_CONTAINS(refusal("{\"w\":" + string(500, '[') + string(500, ']') + "}"), "nested deeper");
}

TEST(SafetensorsRead, RefusesBadMetadataAndDuplicates) {
  EXPECT_CONTAINS(refusal(R"({"__metadata__":3})"), "__metadata__");
  EXPECT_CONTAINS(refusal(R"({"__metadata__":{"a":1}})"), "\"a\" must be a string");
  EXPECT_CONTAINS(refusal(R"({"__metadata__":{"a":"1","a":"2"}})"), "duplicate key \"a\"");
  const string w = R"("w":)" + tensor("U8", "[1]", "[0,1]");
  EXPECT_CONTAINS(refusal("{" + w + "," + w + "}", "x"), "duplicate key \"w\"");
}

TEST(SafetensorsRead, RefusesBadTensorEntries) {
  EXPECT_CONTAINS(refusal(R"({"w":1})"), "tensor \"w\"");
  EXPECT_CONTAINS(refusal(R"({"w":{"dtype":"U8","shape":[1]}})"), "data_offsets");
  EXPECT_CONTAINS(refusal(R"({"w":{"dtype":"U8","shape":[1],"offsets":[0,1]}})", "x"), "data_offsets");
  EXPECT_CONTAINS(refusal(R"({"w":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", "x"), "\"dtype\" must be a string");
  EXPECT_CONTAINS(refusal(one("U8", "[1.0]", "[0,1]"), "x"), "\"shape\" must be an integer");
  EXPECT_CONTAINS(refusal(one("U8", "1", "[0,1]"), "x"), "\"shape\" must be an array");
  EXPECT_CONTAINS(refusal(R"({"a\nb":1})"), "tensor \"a\\nb\"");
}

TEST(SafetensorsRead, RefusesUnknownDtypesWithTheList) {
  const string message = refusal(one("F8_E4M3", "[1]", "[0,1]"), "x");
  EXPECT_CONTAINS(message, "\"F8_E4M3\"");
  EXPECT_CONTAINS(message, "F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL");
  EXPECT_CONTAINS(refusal(one("f32", "[1]", "[0,4]"), "xxxx"), "expected one of");
}

TEST(SafetensorsRead, RefusesShapesThatOverflow) {
  EXPECT_CONTAINS(refusal(one("U8", "[-1]", "[0,1]"), "x"), "negative dimension -1");
  EXPECT_CONTAINS(refusal(one("U8", "[4294967296,4294967296]", "[0,0]")), "too large");  // 2^64: would wrap to 0
  EXPECT_CONTAINS(refusal(one("F32", "[4611686018427387904]", "[0,0]")), "too large");   // 2^62 * 4 wraps to 0
  EXPECT_CONTAINS(refusal(one("U8", "[18446744073709551615]", "[0,1]"), "x"), "64 signed bits");
}

TEST(SafetensorsRead, RefusesBadOffsets) {
  EXPECT_CONTAINS(refusal(one("U8", "[1]", "[1,0]"), "x"), "0 <= begin <= end");
  EXPECT_CONTAINS(refusal(one("U8", "[1]", "[-1,0]"), "x"), "0 <= begin <= end");
  EXPECT_CONTAINS(refusal(one("U8", "[1]", "[0]"), "x"), "two numbers");
  EXPECT_CONTAINS(refusal(one("U8", "[1]", "[0,1,2]"), "x"), "two numbers");
  EXPECT_CONTAINS(refusal(one("F32", "[1]", "[0,3]"), "xxx"), "span 3 bytes, but dtype and shape need 4");
  EXPECT_CONTAINS(refusal(one("U8", "[2]", "[0,2]"), "x"), "the file has 1");
  EXPECT_CONTAINS(refusal(one("U8", "[1]", "[0,1]"), "xyz"), "2 bytes after the last tensor");
  EXPECT_CONTAINS(refusal("{}", "x"), "1 bytes after the last tensor");
}

TEST(SafetensorsRead, RefusesOverlapsAndHoles) {
  EXPECT_CONTAINS(refusal(two("[0,4]", "[0,4]"), "xxxx"), "overlaps");
  EXPECT_CONTAINS(refusal(two("[0,4]", "[3,7]"), "xxxxxxx"), "tensor \"b\": overlaps");
  EXPECT_CONTAINS(refusal(two("[0,4]", "[5,9]"), "xxxxxxxxx"), "tensor \"b\": a hole of 1 bytes");
  EXPECT_CONTAINS(refusal(two("[5,9]", "[1,5]"), "xxxxxxxxx"), "tensor \"b\": a hole of 1 bytes");
  EXPECT_CONTAINS(refusal(one("U8", "[0]", "[9,9]")), "a hole of 9 bytes");
}

TEST(SafetensorsRead, ManyTensorsTakeLinearTime) {
  const TempFolder folder;
  string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    header += (i > 0 ? ",\"model.layers.experts." : "\"model.layers.experts.") + std::to_string(i) + "\":" + tensor("U8", "[0]", "[0,0]");
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(SafetensorsFile(put_file(folder / "t", file_bytes(header + "}", ""))).tensors().size(), 100'000U);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));  // quadratic key search took minutes
}

}  // namespace
}  // namespace hellora::testing
