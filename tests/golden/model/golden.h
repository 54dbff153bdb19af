// Golden folders: which cases there are, their tensors, and the model, adapters and batch that belong to them.
// A new case is a new folder under tests/golden/fixtures with golden_f32.safetensors and golden_f64.safetensors.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <tuple>

#include "hellora/adapters/adapter_set.h"
#include "hellora/model/decoder.h"
#include "tests/support/step.h"
#include "tests/support/tolerances.h"

namespace hellora::testing {

/// What a case is about, told by the files that it holds.
enum class CaseKind : uint8_t {
  model,    // config.json: forward values and gradients of the base
  adapter,  // adapter_config.json: a PEFT adapter on the nearest model above
  full,     // neither: every weight of the nearest model above is trained
  layout,   // config.json without golden values: the model above, stored otherwise
};

/// Folders of this kind, sorted; only those whose golden file holds a tensor that starts with `prefix`.
std::vector<Path> golden_cases(CaseKind kind, const std::string& prefix = "");
/// Adapter and full cases together.
std::vector<Path> training_cases();

/// Values in `dtype`: from a file of that precision, or, where there is only one in fp64, rounded from it.
class GoldenFile {
 public:
  GoldenFile(const Path& folder, at::ScalarType dtype);
  Tensor get(const std::string& name) const;
  double number(const std::string& name) const { return get(name).item<double>(); }
  /// Tensors whose name starts with `prefix`, without it.
  std::vector<std::string> names(const std::string& prefix) const;

 private:
  SafetensorsFile file_;
  at::ScalarType dtype_;
};

/// The folder itself or the nearest one above that holds a model.
Path model_folder(const Path& folder);

/// The two padded rows of a case's model as documents of one packed batch.
struct GoldenBatch {
  TrainBatch train;
  std::vector<int64_t> lengths;
  /// Rows of a padded (2, length, …) golden tensor, in the order of the batch.
  Tensor rows(const Tensor& padded) const;
};
GoldenBatch golden_batch(const Path& folder, at::ScalarType dtype);

/// A model with the trainable tensors of its case bound to it.
struct Subject {
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<AdapterSet> adapters;
  std::string key_prefix;  // of golden names before a parameter's own
};
Subject load_base(const Path& folder, at::ScalarType dtype);
/// With the PEFT adapter of the folder, or, where it has none, with every weight trainable.
Subject load_subject(const Path& folder, at::ScalarType dtype);

using Param = std::tuple<Path, at::ScalarType>;
std::string param_name(const ::testing::TestParamInfo<Param>& info);

class GoldenTest : public ::testing::TestWithParam<Param> {
 protected:
  Path folder() const { return std::get<0>(GetParam()); }
  at::ScalarType dtype() const { return std::get<1>(GetParam()); }
  Tolerance bound() const { return golden_tolerance(dtype()); }
};

}  // namespace hellora::testing
