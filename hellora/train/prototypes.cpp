// Shape letters: S rows with features, N hidden rows (all, or the supervised ones), D model width.
#include "hellora/train/prototypes.h"

#include "hellora/core/error.h"
#include "hellora/tensor/ordered_sum.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

/// The supervised rows of each document that has some, as places in h.
std::vector<std::vector<int64_t>> supervised_places(const PackedBatch& packed, bool compact) {
  std::vector<std::vector<int64_t>> out;
  int64_t seen = 0;
  for (const Document& document : packed.documents) {
    std::vector<int64_t> places;
    for (int64_t t = document.start; t < document.start + document.length; ++t) {
      if (packed.targets[static_cast<size_t>(t)] == kIgnore) continue;
      places.push_back(compact ? seen : t);
      ++seen;
    }
    if (!places.empty()) out.push_back(std::move(places));
  }
  return out;
}

/// (S, N): multiplied with h it gives each row's mean. A product keeps its bytes for any number of threads, a column sum does not.
Tensor averaging(const PackedBatch& packed, const Tensor& h) {
  const auto places = supervised_places(packed, h.size(0) != static_cast<int64_t>(packed.ids.size()));
  Tensor mean_SN = at::zeros({static_cast<int64_t>(places.size()), h.size(0)}, at::TensorOptions(at::kDouble));
  auto* data = mean_SN.data_ptr<double>();
  for (size_t s = 0; s < places.size(); ++s) {
    for (const int64_t n : places[s]) data[static_cast<int64_t>(s) * h.size(0) + n] = 1 / static_cast<double>(places[s].size());
  }
  return mean_SN.to(h.scalar_type());
}

Tensor supervised_hidden(const Decoder& decoder, const PackedBatch& packed) {
  Forward forward;
  const Supervised rows = supervised_rows(packed.targets);
  if (rows.row_N.size(0) < static_cast<int64_t>(packed.ids.size())) forward.needed_N = rows.row_N;
  return decoder.hidden(to_batch(packed), forward);
}

}  // namespace

Tensor prototype_divergence(const Tensor& prototype_D, const Tensor& feature_SD) {
  const Tensor log_q_D = at::log_softmax(prototype_D.to(at::kDouble), 0), log_f_SD = at::log_softmax(feature_SD.to(at::kDouble), 1);
  return at::matmul(log_q_D - log_f_SD, log_q_D.exp());
}

int64_t Prototypes::rows(const PackedBatch& packed) { return static_cast<int64_t>(supervised_places(packed, false).size()); }

bool Prototypes::take(const Decoder& decoder, const Dataset& data, const std::vector<std::vector<int64_t>>& batches, int64_t rows,
                      Stream stream) {
  const at::NoGradGuard no_grad;
  Tensor sum_D = values_.select(0, stream);
  sum_D.zero_();
  int64_t seen = 0;
  for (const std::vector<int64_t>& examples : batches) {
    if (seen >= rows) break;
    if (interrupt_requested()) return false;
    const auto wanted = static_cast<size_t>(std::min(rows - seen, static_cast<int64_t>(examples.size())));
    const PackedBatch packed = pack(data, std::span(examples).first(wanted));
    const Tensor h = supervised_hidden(decoder, packed), feature_SD = at::matmul(averaging(packed, h), decoder.final_hidden(h));
    for (int64_t s = 0; s < feature_SD.size(0); ++s) sum_D.add_(feature_SD.select(0, s).to(at::kDouble));
    seen += feature_SD.size(0);
  }
  sum_D.div_(static_cast<double>(std::max<int64_t>(1, seen)));
  return true;
}

double Prototypes::drift(const Decoder& decoder, const Tensor& h, const PackedBatch& packed, Stream stream, double scale,
                         Tensor* dh) const {
  const at::AutoGradMode with_grad(scale != 0);
  Tensor h_ND = h.detach();
  if (scale != 0) h_ND.requires_grad_(true);
  const Tensor feature_SD = at::matmul(averaging(packed, h), decoder.final_hidden(h_ND)), prototype_D = values_.select(0, stream);
  if (scale != 0) {  // the derivative of the divergence by the feature is f − q
    const Tensor f_SD = at::softmax(feature_SD.detach().to(at::kDouble), 1), q_D = at::softmax(prototype_D, 0);
    torch::autograd::backward({feature_SD}, {((f_SD - q_D) * scale).to(feature_SD.scalar_type())});
    dh->add_(h_ND.grad());
  }
  return ordered_sum(prototype_divergence(prototype_D, feature_SD.detach()));
}

}  // namespace hellora
