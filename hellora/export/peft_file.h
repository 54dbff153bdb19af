// The file that both PEFT layouts share: adapter_config.json and pairs of factors, written one tensor at a time and read back
// with every name, shape and value checked.
#pragma once

#include <set>

#include "hellora/export/formats.h"
#include "hellora/io/safetensors.h"
#include "hellora/model/peft_config.h"

namespace hellora {

/// A tensor that is made when its turn comes to be written.
struct PendingTensor {
  std::string name;  // without PEFT's prefix
  std::vector<int64_t> shape;
  std::function<Tensor()> make;
};

/// Writes adapter_model.safetensors. CheckFailed names a tensor that is not finite in `dtype`.
void write_factors(const Path& folder, std::vector<PendingTensor> tensors, at::ScalarType dtype);

/// Where a pair of factors belongs and how large it must be.
struct PairPlace {
  std::string path;      // as in the file, without prefix and suffix
  std::string settings;  // what rank_pattern and alpha_pattern are matched with
  int64_t in = 0, out = 0;
  int64_t experts = 1;  // factors of all experts in one pair
  bool embedding = false;
};

class PeftFile {
 public:
  /// FormatError for settings that change the result and are not part of the format.
  explicit PeftFile(const Path& folder);
  const std::vector<std::string>& parameters() const { return parameters_; }  // target_parameters
  /// Whether target_parameters names the parameter of this whole path.
  bool has_parameter(const std::string& path) const;
  const std::string& where() const { return where_; }
  bool contains(const PairPlace& place) const;
  /// The pair in fp64; FormatError: missing, not of floating point, another rank or shape; CheckFailed: not finite.
  FileChange pair(const PairPlace& place);
  /// CheckFailed when PEFT would not adapt the module, or the parameter, that a pair belongs to.
  void require_target(const std::string& path) const;
  void require_parameter(const std::string& path) const;
  /// FormatError names a tensor that no pair took.
  void refuse_rest() const;

 private:
  Tensor load(const std::string& name, const std::vector<int64_t>& shape, at::ScalarType* stored);

  std::string where_;
  PeftConfig config_;
  std::vector<std::string> parameters_, modules_;
  SafetensorsFile file_;
  std::set<std::string> used_;
};

}  // namespace hellora
