// Routing profiles: how often, and with how much gate mass, each expert of each layer is chosen on the user's data.
#pragma once

#include <optional>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/data/packing.h"
#include "hellora/io/files.h"
#include "hellora/moe/observer.h"

namespace hellora {

struct LayerProfile {
  int64_t layer = 0;
  int64_t tokens = 0;
  std::vector<int64_t> counts;              // per expert; they sum to tokens × top_k
  std::vector<double> mass;                 // sums of routing weights
  std::vector<int64_t> counts_half[2];      // even and odd records
  std::vector<int64_t> other_half[2] = {};  // the same for the tokens that do not decide (see other_tokens); empty where not counted
};

struct Profile {
  std::string model_type, model_hash, mode, tokens_counted;
  std::vector<std::string> data;
  std::string data_hash;
  int64_t tokens = 0, experts = 0, top_k = 0;
  int64_t skipped_bad = 0;  // records of the data with an error, left out under data.on_error: skip
  std::vector<LayerProfile> layers;
};

/// The profile of the other choice of select.tokens, where it was counted along: of label tokens where all decide, and of all where
/// label tokens do. Without mass.
std::optional<Profile> other_tokens(const Profile& profile);

Json profile_to_json(const Profile& profile);
/// FormatError when a sum does not hold: a profile is evidence, not a guess.
Profile profile_from_json(const Json& json, const std::string& where);
Profile read_profile(const Path& path);
void write_profile(const Path& path, const Profile& profile);
std::string profile_hash(const Profile& profile);

/// Counts the routing of every forward pass it observes.
class RouteCounter : public Observer {
 public:
  /// `routed`: numbers of the layers with a router, ascending.
  RouteCounter(std::span<const int64_t> routed, int64_t experts, bool labels_only);
  /// Announces the rows of the next pass.
  void begin(const PackedBatch& batch, const Dataset& data);
  void on_route(int64_t layer, const Routing& routing) override;
  std::vector<LayerProfile> layers;
  int64_t tokens = 0;

 private:
  bool labels_only_;
  std::vector<uint8_t> counts_T_, other_T_, half_T_;
};

}  // namespace hellora
