// Shape letters: S rows with features, N hidden rows (all, or the supervised ones), D model width.
#include "hellora/train/prototypes.h"

#include "hellora/core/error.h"
#include "hellora/tensor/ordered_sum.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

/// The supervised rows of a batch: their places in h, the row of data that each belongs to, and its share of that one's mean.
struct Members {
  std::vector<int64_t> places, row;
  std::vector<double> share;
  int64_t rows = 0;  // of data that have supervised tokens
};

/// `compact`: h holds the supervised rows alone.
Members members_of(const PackedBatch& packed, bool compact) {
  Members out;
  for (const Document& document : packed.documents) {
    const size_t before = out.places.size();
    for (int64_t t = document.start; t < document.start + document.length; ++t) {
      if (packed.targets[static_cast<size_t>(t)] == kIgnore) continue;
      out.places.push_back(compact ? static_cast<int64_t>(out.places.size()) : t);
    }
    const size_t count = out.places.size() - before;
    if (count == 0) continue;
    out.row.insert(out.row.end(), count, out.rows++);
    out.share.insert(out.share.end(), count, 1 / static_cast<double>(count));
  }
  return out;
}

/// (S, D): each row's mean. By index_add, which adds in the order of its indices: as a product with the shares it changed with the threads.
Tensor features(const PackedBatch& packed, const Tensor& normed_ND) {
  const Members of = members_of(packed, normed_ND.size(0) != static_cast<int64_t>(packed.ids.size()));
  const at::TensorOptions indices(at::kLong);
  const Tensor share_N1 = at::tensor(of.share, at::TensorOptions(at::kDouble)).to(normed_ND.scalar_type()).unsqueeze(1);
  const Tensor taken_ND = normed_ND.index_select(0, at::tensor(of.places, indices)) * share_N1;
  return at::zeros({of.rows, normed_ND.size(1)}, normed_ND.options()).index_add(0, at::tensor(of.row, indices), taken_ND);
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
  const Tensor terms_SD = (log_q_D - log_f_SD) * log_q_D.exp();
  std::vector<double> sums;
  for (int64_t s = 0; s < terms_SD.size(0); ++s) sums.push_back(ordered_sum(terms_SD.select(0, s)));
  return at::tensor(sums, at::TensorOptions(at::kDouble));
}

int64_t Prototypes::rows(const PackedBatch& packed) { return members_of(packed, false).rows; }

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
    const Tensor h = supervised_hidden(decoder, packed), feature_SD = features(packed, decoder.final_hidden(h));
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
  const Tensor feature_SD = features(packed, decoder.final_hidden(h_ND)), prototype_D = values_.select(0, stream);
  if (scale != 0) {  // the derivative of the divergence by the feature is f − q
    const Tensor f_SD = at::softmax(feature_SD.detach().to(at::kDouble), 1), q_D = at::softmax(prototype_D, 0);
    torch::autograd::backward({feature_SD}, {((f_SD - q_D) * scale).to(feature_SD.scalar_type())});
    dh->add_(h_ND.grad());
  }
  return ordered_sum(prototype_divergence(prototype_D, feature_SD.detach()));
}

}  // namespace hellora
