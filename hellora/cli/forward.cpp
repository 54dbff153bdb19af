#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/model_options.h"
#include "hellora/core/error.h"
#include "hellora/core/finite.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/eval/finite_routing.h"
#include "hellora/io/safetensors.h"
#include "hellora/model/loss.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

using Rows = std::vector<std::vector<int64_t>>;

/// The rows of `key`: equal lengths, ids below `vocab` (labels may also be kIgnore).
Rows read_rows(const Json& json, const std::string& key, int64_t vocab, bool labels, const std::string& where) {
  const Json& value = member(json, key, where);
  if (!value.is_array() || value.empty()) throw FormatError(where + ": \"" + key + "\" must be a non-empty array of rows");
  Rows rows;
  for (const Json& row : value) {
    if (!row.is_array() || row.empty() || row.size() != value[0].size())
      throw FormatError(where + ": \"" + key + "\": rows must be arrays of equal length, at least 1");
    std::vector<int64_t> ids;
    for (const Json& id : row) {
      const bool fits =
          id.is_number_integer() && ((id.get<int64_t>() >= 0 && id.get<int64_t>() < vocab) || (labels && id.get<int64_t>() == kIgnore));
      if (!fits) throw FormatError(where + ": \"" + key + "\": " + dump_json(id) + " is not a token id below " + std::to_string(vocab));
      ids.push_back(id.get<int64_t>());
    }
    rows.push_back(std::move(ids));
  }
  return rows;
}

struct KeepRouting : Observer {
  void on_route(int64_t layer, const Routing& routing) override {
    ids["router." + std::to_string(layer) + ".indices"] = routing.ids_TK.contiguous();
    ids["router." + std::to_string(layer) + ".weights"] = routing.weights_TK.to(at::kFloat).contiguous();
  }
  std::map<std::string, Tensor> ids;
};

void require_finite_logits(const Tensor& logits_BSV) {
  const Tensor bad = at::logical_not(at::isfinite(logits_BSV));
  if (!bad.any().item<bool>()) return;
  const int64_t place = bad.flatten().to(at::kByte).argmax().item<int64_t>() / bad.size(2);
  throw CheckFailed("forward: the logits of row " + std::to_string(place / bad.size(1)) + ", position " +
                    std::to_string(place % bad.size(1)) + " are not finite");
}

class ForwardCommand : public Command {
 public:
  void declare(CLI::App& app) override {
    model_.declare(app);
    app.add_option("--ids", ids_, "JSON: {\"input_ids\": [[…]], \"labels\": [[…]]} with rows of equal length")->required();
    app.add_option("--out", out_, "safetensors file: logits, router.L.indices, router.L.weights, loss")->required();
  }

  int run(const Common& common) override {
    const at::NoGradGuard no_grad;
    const Workspace space = model_.open(false);
    const ModelShape& shape = space.decoder->shape();
    const Json json = parse_json(read_text(ids_), ids_);
    const Rows rows = read_rows(json, "input_ids", shape.vocab, false, ids_);
    const Rows labels = json.contains("labels") ? read_rows(json, "labels", shape.vocab, true, ids_) : rows;
    const auto batch = static_cast<int64_t>(rows.size()), length = static_cast<int64_t>(rows[0].size());
    if (length > shape.max_positions)
      throw FormatError(ids_ + ": rows have " + std::to_string(length) + " tokens, the model has " + std::to_string(shape.max_positions) +
                        " positions");
    if (labels.size() != rows.size() || labels[0].size() != rows[0].size())
      throw FormatError(ids_ + ": \"labels\" must have the shape of \"input_ids\"");
    std::vector<int64_t> targets;
    for (const auto& row : labels) {
      targets.insert(targets.end(), row.begin() + 1, row.end());
      targets.push_back(kIgnore);
    }
    KeepRouting routing;
    Forward forward;
    FiniteRouting finite_routing;
    forward.observers = {&routing, &finite_routing};
    const Tensor h_TD = space.decoder->hidden(make_batch(rows), forward);
    std::map<std::string, Tensor> out = routing.ids;
    out["logits"] = space.decoder->logits(h_TD, forward.context).to(at::kFloat).reshape({batch, length, shape.vocab}).contiguous();
    require_finite_logits(out["logits"]);
    const LossSum loss = evaluate_loss(*space.decoder, h_TD, supervised_rows(targets), forward.context);
    if (loss.count == 0) throw FormatError(ids_ + ": no label is left to predict");
    const double mean = finite(loss.sum / static_cast<double>(loss.count), ids_ + ": the loss");
    out["loss"] = at::full({1}, mean, at::TensorOptions(at::kFloat));
    std::vector<TensorBytes> bytes;
    for (const auto& [name, value] : out) bytes.push_back(tensor_bytes(name, value));
    write_safetensors(out_, std::move(bytes), {{"format", "pt"}});
    if (common.json) std::cout << dump_json(Json{{"out", out_}, {"loss", mean}, {"supervised", loss.count}}) << "\n";
    log_info(out_ + ": logits of " + std::to_string(batch) + " x " + std::to_string(length) + " tokens, loss " + std::to_string(mean));
    return 0;
  }

 private:
  ModelOptions model_;
  std::string ids_, out_;
};

}  // namespace

std::unique_ptr<Command> make_forward() { return std::make_unique<ForwardCommand>(); }

}  // namespace hellora
