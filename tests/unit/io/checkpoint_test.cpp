#include "hellora/io/checkpoint.h"

#include <array>

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

const std::array<uint8_t, 4> kData = {10, 11, 12, 13};

void put_tensors(const Path& path, const std::vector<string>& names) {
  std::vector<TensorBytes> tensors;
  for (const string& name : names)
    tensors.push_back({.name = name, .dtype = Dtype::u8, .shape = {4}, .bytes = std::as_bytes(std::span(kData))});
  write_safetensors(path, tensors, {});
}

/// A folder with a config, two shards and the given index.
struct Sharded {
  explicit Sharded(const string& index) {
    put_file(folder / "config.json", R"({"model_type":"olmoe"})");
    put_tensors(folder / "s1.safetensors", {"a", "b", "unlisted"});
    put_tensors(folder / "s2.safetensors", {"c"});
    put_file(folder / "model.safetensors.index.json", index);
  }
  string refusal() const {
    return error_of<FormatError>([&] { Checkpoint checkpoint(folder.path()); });
  }
  TempFolder folder;
};

TEST(Checkpoint, SingleFile) {
  const TempFolder folder;
  put_file(folder / "config.json", R"({"model_type":"olmoe","hidden_size":64})");
  put_tensors(folder / "model.safetensors", {"b", "a"});
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(checkpoint.folder(), folder.path());
  EXPECT_EQ(int_member(checkpoint.config(), "hidden_size", "config"), 64);
  EXPECT_EQ(checkpoint.names(), (std::vector<string>{"a", "b"}));
  EXPECT_TRUE(checkpoint.contains("a"));
  EXPECT_FALSE(checkpoint.contains("c"));
  EXPECT_EQ(checkpoint.info("b").shape, (std::vector<int64_t>{4}));
  EXPECT_EQ(static_cast<int>(checkpoint.bytes("b")[3]), 13);
  checkpoint.drop("b");
  EXPECT_EQ(static_cast<int>(checkpoint.bytes("b")[0]), 10);
  const string message = error_of<FormatError>([&] { checkpoint.info("model.norm.weight"); });
  EXPECT_CONTAINS(message, "\"model.norm.weight\" is missing");
  EXPECT_CONTAINS(message, folder.path().string());
}

TEST(Checkpoint, Shards) {
  const Sharded model(R"({"metadata":{"total_size":12},"weight_map":{"c":"s2.safetensors","a":"s1.safetensors","b":"s1.safetensors"}})");
  const Checkpoint checkpoint(model.folder.path());
  EXPECT_EQ(checkpoint.names(), (std::vector<string>{"a", "b", "c"}));
  EXPECT_EQ(checkpoint.files().size(), 2U);
  EXPECT_EQ(static_cast<int>(checkpoint.bytes("c")[1]), 11);
}

TEST(Checkpoint, NamesWhatTheShardsLack) {
  const string missing = Sharded(R"({"weight_map":{"a":"s3.safetensors"}})").refusal();
  EXPECT_CONTAINS(missing, "\"s3.safetensors\" is missing");
  EXPECT_CONTAINS(missing, "model.safetensors.index.json");
  EXPECT_CONTAINS(Sharded(R"({"weight_map":{"c":"s1.safetensors"}})").refusal(), "tensor \"c\" is not in its shard s1.safetensors");
}

TEST(Checkpoint, RefusesShardNamesThatLeaveTheFolder) {
  for (const char* name : {"../s1.safetensors", "/etc/passwd", "sub/s1.safetensors", "sub\\\\s1", "..", ".", "", "s1.safetensors\\u0000"}) {
    EXPECT_CONTAINS(Sharded(string(R"({"weight_map":{"a":")") + name + "\"}}").refusal(), "file name without a folder");
  }
}

TEST(Checkpoint, RefusesMalformedIndexes) {
  EXPECT_CONTAINS(Sharded("[]").refusal(), "expected a JSON object");
  EXPECT_CONTAINS(Sharded("{}").refusal(), "\"weight_map\" is missing");
  EXPECT_CONTAINS(Sharded(R"({"weight_map":[]})").refusal(), "must be an object");
  EXPECT_CONTAINS(Sharded(R"({"weight_map":{}})").refusal(), "names no tensor");
  EXPECT_CONTAINS(Sharded(R"({"weight_map":{"a":1}})").refusal(), "must be a string");
  EXPECT_CONTAINS(Sharded(R"({"weight_map":{"a":"s1.safetensors","a":"s2.safetensors"}})").refusal(), "duplicate key \"a\"");
  EXPECT_CONTAINS(Sharded("{").refusal(), "not valid JSON");
}

TEST(Checkpoint, RefusesABrokenShard) {
  const Sharded model(R"({"weight_map":{"a":"s1.safetensors"}})");
  put_file(model.folder / "s1.safetensors", "garbage!garbage!");
  EXPECT_CONTAINS(model.refusal(), "s1.safetensors: header length");
}

TEST(Checkpoint, SaysWhatItLookedFor) {
  const TempFolder folder;
  put_file(folder / "config.json", "{}");
  const auto refusal = [&] { return error_of<FormatError>([&] { Checkpoint checkpoint(folder.path()); }); };
  const string message = refusal();
  EXPECT_CONTAINS(message, "looked for model.safetensors and model.safetensors.index.json");
  EXPECT_EQ(message.find("pytorch_model.bin"), string::npos);
  put_file(folder / "pytorch_model.bin", "x");
  EXPECT_CONTAINS(refusal(), "pytorch_model.bin is there but is not read");
}

TEST(Checkpoint, RefusesBadFoldersAndConfigs) {
  const TempFolder folder;
  put_tensors(folder / "model.safetensors", {"a"});
  EXPECT_CONTAINS(error_of<DataError>([&] { Checkpoint checkpoint(folder.path()); }), "config.json");
  EXPECT_CONTAINS(error_of<DataError>([&] { Checkpoint checkpoint(folder / "none"); }), "not a directory");
  EXPECT_CONTAINS(error_of<DataError>([&] { Checkpoint checkpoint(folder / "model.safetensors"); }), "not a directory");
  for (const char* config : {"[]", "{\"a\":1,\"a\":2}", "{\"a\":NaN}", "// c\n{}", ""}) {
    put_file(folder / "config.json", config);
    EXPECT_CONTAINS(error_of<FormatError>([&] { Checkpoint checkpoint(folder.path()); }), "config.json");
  }
}

}  // namespace
}  // namespace hellora::testing
