#include "hellora/recipe/run_data.h"

#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/data/mixing.h"

namespace hellora {
namespace {

/// Longer rows are worked on, at positions that the model was not made for.
void warn_beyond_positions(const Dataset& data, const ModelShape& shape) {
  int64_t beyond = 0;
  for (const Example& example : data.examples) beyond += static_cast<int64_t>(example.ids.size()) > shape.max_positions ? 1 : 0;
  if (shape.max_positions <= 0 || beyond == 0) return;
  log_warn(with_commas(beyond) + " rows are longer than the model's " + with_commas(shape.max_positions) +
           " positions: what stands beyond them was not part of its training; data.max_length=" + std::to_string(shape.max_positions) +
           " leaves such rows out");
}

}  // namespace

RunData load_run_data(const RunConfig& config, const Workspace& space, bool whole) {
  RunData out{load_rows(config.data.train, config.data, space, config.model), {}, {}};
  const std::optional<EvalShare> share = eval_share(config.data.eval);
  const std::vector<std::string> files = eval_files(config.data.eval);
  if (share) {
    Dataset kept = split_off(out.train, *share, static_cast<uint64_t>(config.seed));
    if (whole) out.eval = std::move(kept);
  } else if (whole && !files.empty()) {
    out.eval = load_rows(files, config.data, space, config.model);
  }
  if (whole && !config.data.forget.empty()) out.forget = load_rows(config.data.forget, config.data, space, config.model);
  set_weights(out.train, config.data.weights);
  log_info("training data: " + describe(out.train));
  warn_beyond_positions(out.train, space.decoder->shape());
  if (out.eval) log_info("evaluation data: " + describe(*out.eval) + (share ? ", kept from the training data" : ""));
  if (out.forget) log_info("data to forget: " + describe(*out.forget));
  return out;
}

}  // namespace hellora
