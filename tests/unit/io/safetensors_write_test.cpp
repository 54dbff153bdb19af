#include <algorithm>
#include <array>

#include "hellora/core/json.h"
#include "hellora/io/safetensors.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

const std::array<float, 6> kFloats = {0.0F, 1.0F, -2.5F, 3.25F, 1e-30F, 6e20F};
const std::array<uint8_t, 3> kBytes = {1, 0, 255};

std::vector<TensorBytes> sample() {
  return {{.name = "w.b", .dtype = Dtype::f32, .shape = {2, 3}, .bytes = std::as_bytes(std::span(kFloats))},
          {.name = "a\"ü", .dtype = Dtype::u8, .shape = {3}, .bytes = std::as_bytes(std::span(kBytes))},
          {.name = "w", .dtype = Dtype::i64, .shape = {0, 5}, .bytes = {}}};
}

TEST(SafetensorsWrite, ExactBytesOfASmallFile) {
  const TempFolder folder;
  const std::array<uint8_t, 2> data = {7, 8};
  write_safetensors(folder / "t", {{.name = "x", .dtype = Dtype::u8, .shape = {2}, .bytes = std::as_bytes(std::span(data))}},
                    {{"format", "pt"}});
  // What Python's safetensors 0.8 writes for the same tensor and metadata.
  const string header = R"({"__metadata__":{"format":"pt"},"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  ASSERT_EQ(header.size(), 84U);
  EXPECT_EQ(slurp(folder / "t"), string("\x58\0\0\0\0\0\0\0", 8) + header + "    " + "\x07\x08");
}

TEST(SafetensorsWrite, RoundTrip) {
  const TempFolder folder;
  write_safetensors(folder / "t", sample(), {{"k", "v"}, {"format", "pt"}});
  const SafetensorsFile file(folder / "t");
  EXPECT_EQ(file.metadata(), (std::map<string, string>{{"k", "v"}, {"format", "pt"}}));
  ASSERT_EQ(file.tensors().size(), 3U);
  for (const TensorBytes& wanted : sample()) {
    const TensorInfo* info = file.find(wanted.name);
    ASSERT_NE(info, nullptr) << wanted.name;
    EXPECT_EQ(info->dtype, wanted.dtype);
    EXPECT_EQ(info->shape, wanted.shape);
    const auto bytes = file.bytes(*info);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), wanted.bytes.begin(), wanted.bytes.end())) << wanted.name;
  }
}

TEST(SafetensorsWrite, SameBytesWhateverTheOrder) {
  const TempFolder folder;
  write_safetensors(folder / "1", sample(), {{"k", "v"}});
  auto turned = sample();
  std::reverse(turned.begin(), turned.end());
  write_safetensors(folder / "2", turned, {{"k", "v"}});
  EXPECT_EQ(slurp(folder / "1"), slurp(folder / "2"));
  EXPECT_EQ(folder.entries(), 2U);
}

TEST(SafetensorsWrite, HeaderIsPaddedAndDataIsInNameOrder) {
  const TempFolder folder;
  for (size_t length = 1; length <= 9; ++length) {
    write_safetensors(folder / "t",
                      {{.name = string(length, 'n'), .dtype = Dtype::u8, .shape = {3}, .bytes = std::as_bytes(std::span(kBytes))}}, {});
    const string bytes = slurp(folder / "t");
    EXPECT_EQ(static_cast<uint8_t>(bytes[0]) % 8, 0);
    EXPECT_EQ(bytes.size(), 8U + static_cast<uint8_t>(bytes[0]) + 3U);
  }
  write_safetensors(folder / "t", sample(), {});
  const SafetensorsFile file(folder / "t");
  uint64_t reached = 0;
  for (const TensorInfo& info : file.tensors()) {
    EXPECT_EQ(info.begin, reached);
    reached = info.end;
  }
}

TEST(SafetensorsWriter, StreamsInOrder) {
  const TempFolder folder;
  write_safetensors(folder / "whole", sample(), {});
  std::vector<TensorInfo> infos;
  for (const TensorBytes& tensor : sample()) infos.push_back({.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape});
  SafetensorsWriter writer(folder / "stream", infos, {});
  ASSERT_EQ(writer.order().size(), 3U);
  EXPECT_EQ(writer.order()[0].name, "a\"ü");
  EXPECT_EQ(writer.order()[2].begin, 3U);
  EXPECT_EQ(writer.order()[2].end, 27U);
  for (const TensorInfo& info : writer.order()) {
    for (const TensorBytes& tensor : sample()) {
      if (tensor.name == info.name) writer.append(info.name, tensor.bytes);
    }
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "stream"));
  writer.commit();
  EXPECT_EQ(slurp(folder / "stream"), slurp(folder / "whole"));
}

TEST(SafetensorsWriter, ChecksItsCaller) {
  const TempFolder folder;
  const std::vector<TensorInfo> infos = {{.name = "a", .dtype = Dtype::u8, .shape = {1}}, {.name = "b", .dtype = Dtype::u8, .shape = {1}}};
  const auto bytes = std::as_bytes(std::span(kBytes));
  {
    SafetensorsWriter writer(folder / "t", infos, {});
    EXPECT_THROW(writer.append("b", bytes.first(1)), std::logic_error);
    EXPECT_THROW(writer.append("a", bytes.first(2)), std::logic_error);
    writer.append("a", bytes.first(1));
    EXPECT_THROW(writer.commit(), std::logic_error);
    writer.append("b", bytes.first(1));
    EXPECT_THROW(writer.append("c", bytes.first(1)), std::logic_error);
  }
  EXPECT_EQ(folder.entries(), 0U);  // never committed
  EXPECT_THROW(SafetensorsWriter(folder / "t", {infos[0], infos[0]}, {}), std::logic_error);
  EXPECT_THROW(SafetensorsWriter(folder / "t", {{.name = "__metadata__", .shape = {}}}, {}), std::logic_error);
  EXPECT_THROW(SafetensorsWriter(folder / "t", {{.name = "\xFF", .shape = {}}}, {}), std::logic_error);
  EXPECT_EQ(folder.entries(), 0U);
}

TEST(SafetensorsWriter, RefusesSizesThatOverflow) {
  const TempFolder folder;
  const TensorInfo half{.name = "a", .dtype = Dtype::u8, .shape = {int64_t{1} << 62}};
  TensorInfo other = half;
  other.name = "b";
  EXPECT_CONTAINS(error_of<FormatError>([&] { SafetensorsWriter(folder / "t", {half, other}, {}); }), "too large together");
  EXPECT_CONTAINS(error_of<FormatError>([&] { SafetensorsWriter(folder / "t", {{.name = "a", .shape = {-1}}}, {}); }), "negative");
}

TEST(SafetensorsWriter, MissingFolderNamesThePath) {
  const TempFolder folder;
  EXPECT_CONTAINS(error_of<DataError>([&] { write_safetensors(folder / "no/t", sample(), {}); }), (folder / "no/t").string());
}

TEST(TensorInfo, CountRefusesOverflow) {
  const TensorInfo info{.name = "a", .shape = {int64_t{1} << 62, 4}};
  EXPECT_THROW(info.count(), std::logic_error);
}

}  // namespace
}  // namespace hellora::testing
