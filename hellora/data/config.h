// The `data` section of the configuration.
#pragma once

#include <optional>

#include "hellora/core/config.h"

namespace hellora {

struct DataConfig {
  std::vector<std::string> train, eval, forget;
  std::vector<double> weights;  // of data.train's files; empty: 1 each
  std::string format = "auto";
  int64_t max_length = 512;
  std::string too_long = "skip";
  std::string on_error = "stop";
  bool packing = true;
  std::string train_on = "completion";
  std::string chat_template = "auto";
};

/// A part of the training rows that is kept for evaluation: a share, or a number of rows.
struct EvalShare {
  double share = 0;
  int64_t rows = 0;
};
/// What data.eval asks for when it is a number: "5%", "0.05", "200". Nothing when it names files, or is empty, 0 or 0%. ConfigError when
/// the share is not below 1.
std::optional<EvalShare> eval_share(const std::vector<std::string>& eval);
/// The files of data.eval: none when it is a number.
std::vector<std::string> eval_files(const std::vector<std::string>& eval);

std::vector<Field> data_fields(DataConfig* config);

}  // namespace hellora
