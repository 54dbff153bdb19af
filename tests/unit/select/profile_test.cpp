// Profiles: what is counted, and that a file which contradicts itself is refused.
#include <functional>
#include <limits>

#include "tests/unit/select/small_profile.h"

namespace hellora::testing {
namespace {

using std::string;

TEST(ProfileFile, ReadsBackWhatWasWritten) {
  const TempFolder folder;
  Profile profile = small_profile();
  profile.layers[0].mass[3] = 1.0 / 3;  // every bit must survive
  write_profile(folder / "profile.json", profile);
  const Profile again = read_profile(folder / "profile.json");
  EXPECT_EQ(profile_to_json(again).dump(), profile_to_json(profile).dump());
  EXPECT_EQ(again.layers[0].mass[3], 1.0 / 3);
  EXPECT_EQ(again.layers[1].counts_half[1], (Ids{6, 0, 2, 5, 2, 1}));
  EXPECT_EQ(again.data, (std::vector<string>{"a.jsonl", "b.jsonl"}));
  EXPECT_EQ(profile_hash(again), profile_hash(profile));
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(ProfileFile, KeepsTheOtherTokensWhereTheyWereCounted) {
  Profile profile = small_profile();
  EXPECT_FALSE(other_tokens(profile));
  EXPECT_FALSE(profile_to_json(profile)["layers"][0].contains("other_half"));
  for (LayerProfile& layer : profile.layers) {
    layer.other_half[0] = {1, 2, 0, 0, 1, 0};
    layer.other_half[1] = {0, 1, 0, 0, 0, 1};
  }
  const Profile again = profile_from_json(profile_to_json(profile), "p.json");
  EXPECT_EQ(profile_to_json(again).dump(), profile_to_json(profile).dump());
  const std::optional<Profile> labels = other_tokens(again);
  ASSERT_TRUE(labels);
  EXPECT_EQ(labels->tokens_counted, "label");
  EXPECT_EQ(labels->layers[1].counts, (Ids{1, 3, 0, 0, 1, 1}));
  EXPECT_EQ(labels->layers[1].counts_half[1], (Ids{0, 1, 0, 0, 0, 1}));
  EXPECT_EQ(labels->tokens, 3);
  Json json = profile_to_json(profile);
  json["layers"][0]["other_half"][0][0] = -1;
  EXPECT_CONTAINS(error_of<FormatError>([&] { profile_from_json(json, "p.json"); }), "between 0 and 2^40");
  json["layers"][0]["other_half"][0][0] = 2;
  EXPECT_CONTAINS(error_of<FormatError>([&] { profile_from_json(json, "p.json"); }), "other_half");
  json["layers"][0]["other_half"][0] = Json::array({1});
  EXPECT_CONTAINS(error_of<FormatError>([&] { profile_from_json(json, "p.json"); }), "num_experts");
}

TEST(ProfileFile, RecordsTheSkippedRecordsOfItsData) {
  Profile profile = small_profile();
  const string hash = profile_hash(profile);
  EXPECT_FALSE(profile_to_json(profile)["data"].contains("skipped_bad"));
  EXPECT_EQ(profile_from_json(profile_to_json(profile), "p.json").skipped_bad, 0);
  profile.skipped_bad = 3;
  EXPECT_EQ(profile_to_json(profile)["data"]["skipped_bad"], 3);
  EXPECT_EQ(profile_from_json(profile_to_json(profile), "p.json").skipped_bad, 3);
  EXPECT_NE(profile_hash(profile), hash);
}

template <class Change>
string refusal(const Change& change) {
  Json json = profile_to_json(small_profile());
  change(json);
  return error_of<FormatError>([&] { profile_from_json(json, "p.json"); });
}

TEST(ProfileFile, RefusesSumsThatDoNotHold) {
  const auto layer0 = [](Json& j) -> Json& { return j["layers"][0]; };
  EXPECT_CONTAINS(refusal([&](Json& j) { layer0(j)["counts"][0] = 6; }), "p.json, layer 0: counts do not sum to tokens x top_k");
  EXPECT_CONTAINS(refusal([&](Json& j) { layer0(j)["tokens"] = 14; }), "counts do not sum");
  EXPECT_CONTAINS(refusal([&](Json& j) { j["top_k"] = 1; }), "counts do not sum");
  EXPECT_CONTAINS(refusal([&](Json& j) { layer0(j)["counts_half"][0][1] = 5; }), "layer 0: the halves do not sum to the counts");
  EXPECT_CONTAINS(refusal([&](Json& j) {
                    layer0(j)["counts"][0] = -1;
                    layer0(j)["counts"][1] = 15;
                  }),
                  "p.json, layer 0: key \"counts\" is");
  EXPECT_CONTAINS(refusal([&](Json& j) {
                    layer0(j)["counts_half"][0][0] = 6;
                    layer0(j)["counts_half"][1][0] = -1;
                  }),
                  "p.json, layer 0: key \"counts_half\" is");
  EXPECT_CONTAINS(refusal([&](Json& j) { layer0(j)["mass"][0] = -0.5; }), "key \"mass\" is");
}

TEST(ProfileFile, RefusesNumbersThatWouldOverflow) {
  EXPECT_CONTAINS(refusal([](Json& j) { j["layers"][0]["tokens"] = INT64_MAX; }), "key \"tokens\" is");
  EXPECT_CONTAINS(refusal([](Json& j) { j["layers"][0]["counts"][0] = INT64_MAX; }), "key \"counts\" is");
  EXPECT_CONTAINS(refusal([](Json& j) { j["layers"][0]["counts"][0] = UINT64_MAX; }), "counts");
}

TEST(ProfileFile, RefusesOtherShapes) {
  EXPECT_CONTAINS(refusal([](Json& j) { j["format"] = "hellora.profile/2"; }), "format is not hellora.profile/1");
  EXPECT_CONTAINS(refusal([](Json& j) { j["num_experts"] = 7; }), "num_experts = 7");
  EXPECT_CONTAINS(refusal([](Json& j) { j["num_experts"] = 0; }), "key \"num_experts\" is 0");
  EXPECT_CONTAINS(refusal([](Json& j) { j["top_k"] = 7; }), "key \"top_k\" is 7");
  EXPECT_CONTAINS(refusal([](Json& j) { j["layers"] = Json::array(); }), "no layer");
  EXPECT_CONTAINS(refusal([](Json& j) { j["layers"][1]["layer"] = 0; }), "ascending");
  EXPECT_CONTAINS(refusal([](Json& j) { j["layers"][0].erase("counts_half"); }), "counts_half");
  EXPECT_CONTAINS(refusal([](Json& j) { j["layers"][0]["counts_half"].push_back(1); }), "two lists");
  EXPECT_CONTAINS(refusal([](Json& j) { j["layers"][0]["mass"][0] = "1"; }), "array of numbers");
  EXPECT_CONTAINS(refusal([](Json& j) { j["layers"] = 5; }), "p.json");
  EXPECT_CONTAINS(refusal([](Json& j) { j = Json::array(); }), "p.json");
  EXPECT_CONTAINS(error_of<DataError>([] { read_profile("/nonexistent/profile.json"); }), "/nonexistent/profile.json");
}

/// Every number has a range, every word a list, and a key that nobody knows could change what the profile means.
TEST(ProfileFile, RefusesNonsense) {
  const std::vector<std::pair<string, std::function<void(Json&)>>> table = {
      {"data: key \"tokens\" is -5", [](Json& j) { j["data"]["tokens"] = -5; }},
      {"data: key \"tokens\" is", [](Json& j) { j["data"]["tokens"] = INT64_MAX; }},
      {"data: key \"skipped_bad\" is -1", [](Json& j) { j["data"]["skipped_bad"] = -1; }},
      {"data: key \"skipped_bad\"", [](Json& j) { j["data"]["skipped_bad"] = "3"; }},
      {"data: key \"paths\"", [](Json& j) { j["data"]["paths"] = Json{3}; }},
      {"key \"mode\" is \"cold\"", [](Json& j) { j["mode"] = "cold"; }},
      {"key \"tokens_counted\" is \"most\"", [](Json& j) { j["tokens_counted"] = "most"; }},
      {"key \"layer\" is", [](Json& j) { j["layers"][0]["layer"] = -1; }},
      {"key \"layer\" is", [](Json& j) { j["layers"][1]["layer"] = int64_t{1} << 40; }},
      {"key \"layers\"", [](Json& j) { j.erase("layers"); }},
      {"key \"weights\" is 3", [](Json& j) { j["weights"] = 3; }},
      {"layer 0: key \"weights\" is 3", [](Json& j) { j["layers"][0]["weights"] = 3; }},
      {"expected a JSON object", [](Json& j) { j["layers"][0] = 7; }},
      {"model: expected a JSON object", [](Json& j) { j["model"] = "olmoe"; }},
      {"model: key \"type\"", [](Json& j) { j["model"]["type"] = 1; }},
  };
  for (const auto& [says, change] : table) EXPECT_CONTAINS(refusal(change), says);
}

Tensor ids_tensor(const std::vector<int64_t>& values) { return at::tensor(values, at::TensorOptions(at::kLong)).view({-1, 2}); }

/// Two documents, of record 4 (even) and record 5 (odd), with three and two rows.
struct Counted {
  Counted() {
    data.add(Ids{1, 2, 3}, Ids{kIgnore, 3, kIgnore}, 4);
    data.add(Ids{4, 5}, Ids{5, kIgnore}, 5);
    batch = pack(data, Ids{0, 1});
    routing.ids_TK = ids_tensor({0, 1, 2, 0, 1, 2, 0, 3, 3, 1});
    routing.weights_TK = at::tensor(std::vector<float>{.5F, .25F, .5F, .25F, .75F, .125F, .5F, .25F, .5F, .25F}).view({-1, 2});
  }
  Dataset data;
  PackedBatch batch;
  Routing routing;
};

TEST(RouteCounterTest, CountsEveryRowByExpertHalfAndMass) {
  const Counted given;
  const Ids routed = {1, 4};  // the others are dense
  RouteCounter counter(routed, 4, false);
  counter.begin(given.batch, given.data);
  counter.on_route(4, given.routing);
  const LayerProfile& layer = counter.layers[1];
  EXPECT_EQ(layer.layer, 4);
  EXPECT_EQ(counter.tokens, 5);
  EXPECT_EQ(layer.tokens, 5);
  EXPECT_EQ(layer.counts, (Ids{3, 3, 2, 2}));
  EXPECT_EQ(layer.counts_half[0], (Ids{2, 2, 2, 0}));
  EXPECT_EQ(layer.counts_half[1], (Ids{1, 1, 0, 2}));
  EXPECT_EQ(layer.mass, (std::vector<double>{.5 + .25 + .5, .25 + .75 + .25, .5 + .125, .25 + .5}));
  EXPECT_EQ(counter.layers[0].tokens, 0);
  EXPECT_EQ(layer.other_half[0], (Ids{1, 0, 1, 0}));  // along with all tokens, the labelled ones: rows 1 and 3
  EXPECT_EQ(layer.other_half[1], (Ids{1, 0, 0, 1}));
}

TEST(RouteCounterTest, CountsLabelledRowsOnlyWhenAsked) {
  const Counted given;
  const Ids routed = {0};
  RouteCounter counter(routed, 4, true);
  for (int pass = 0; pass < 2; ++pass) {
    counter.begin(given.batch, given.data);
    counter.on_route(0, given.routing);
  }
  EXPECT_EQ(counter.tokens, 4);
  EXPECT_EQ(counter.layers[0].counts, (Ids{4, 0, 2, 2}));  // rows 1 and 3, twice
  EXPECT_EQ(counter.layers[0].counts_half[1], (Ids{2, 0, 0, 2}));
  EXPECT_EQ(counter.layers[0].other_half[1], (Ids{2, 2, 0, 4}));  // along with them, all tokens
}

TEST(RouteCounterTest, RefusesABatchItWasNotToldAbout) {
  Counted given;
  const Ids routed = {0};
  RouteCounter counter(routed, 4, false);
  counter.begin(given.batch, given.data);
  given.routing.ids_TK = given.routing.ids_TK.narrow(0, 0, 3);
  EXPECT_THROW(counter.on_route(0, given.routing), std::logic_error);
  EXPECT_THROW(counter.on_route(1, Counted().routing), std::logic_error) << "a layer it was not told about";
}

}  // namespace
}  // namespace hellora::testing
