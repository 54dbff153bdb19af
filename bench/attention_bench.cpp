// Causal attention of packed documents, forward and with its gradients: 16 heads of 128 as OLMoE has them.
#include <algorithm>
#include <cmath>

#include "bench/experts.h"
#include "hellora/kernels/attention.h"

namespace hellora::kernels::bench {
namespace {

constexpr int64_t kHeads = 16, kHeadWidth = 128, kRow = kHeads * kHeadWidth;

class Attention {
 public:
  Attention(Math math, int64_t documents, int64_t length)
      : math_(math), shape_{documents * length, kHeads, kHeads, kHeadWidth, kHeadWidth, 1 / std::sqrt(128.0), 0} {
    for (int64_t d = 0; d < documents; ++d) documents_.push_back({d * length, length});
    const int64_t count = shape_.rows * kRow;
    float* all = shared_floats(8 * count + kHeads * shape_.rows);
    for (int64_t i = 0; i < 8; ++i) part_[i] = all + i * count;
    lse_ = all + 8 * count;
    for (int64_t i = 0; i < 4; ++i) fill(part_[i], count, 60 + static_cast<uint64_t>(i), 1.0F);
  }

  void forward() { attention_forward<float>(math_, shape_, documents_, inputs(), heads(kOut), lse_); }
  void backward() {
    std::fill(part_[kDk], part_[kDk] + 2 * shape_.rows * kRow, 0.0F);  // dk and dv are added to
    attention_backward<float>(math_, shape_, documents_, inputs(), readable(kOut), readable(kDout), lse_, heads(kDq), heads(kDk),
                              heads(kDv));
  }

  /// Runs both and compares the last document's last head, by plain loops in fp64.
  std::string fault() {
    forward();
    backward();
    const RowRange last = documents_.back(), whole{0, last.length};
    AttentionShape one{last.length, 1, 1, kHeadWidth, kHeadWidth, shape_.scale, 0};
    std::vector<double> want[8], lse(static_cast<size_t>(last.length));
    const auto place = [&](int i) { return Heads<double>{want[i].data(), kHeadWidth, kHeadWidth}; };
    const auto source = [&](int i) { return Heads<const double>{want[i].data(), kHeadWidth, kHeadWidth}; };
    for (int i = 0; i < 8; ++i) {
      want[i].resize(static_cast<size_t>(last.length * kHeadWidth));
      for (int64_t r = 0; r < last.length && i < 4; ++r)
        std::copy_n(readable(i).at(last.start + r, kHeads - 1), kHeadWidth, place(i).at(r, 0));
    }
    const AttentionInputs<double> in{source(kQ), source(kK), source(kV)};
    attention_forward<double>(Math::full, one, {&whole, 1}, in, place(kOut), lse.data());
    attention_backward<double>(Math::full, one, {&whole, 1}, in, source(kOut), source(kDout), lse.data(), place(kDq), place(kDk),
                               place(kDv));
    Comparison comparison;
    for (int i = kOut; i < 8; ++i) {
      double largest = 0;
      for (const double value : want[i]) largest = std::max(largest, std::abs(value));
      for (int64_t n = 0; n < last.length * kHeadWidth; ++n) {
        comparison.add(readable(i).at(last.start + n / kHeadWidth, kHeads - 1)[n % kHeadWidth], want[i][static_cast<size_t>(n)],
                       largest * (math_ == Math::bf16 ? 2e-2 : 2e-5));
      }
    }
    return comparison.fault();
  }

  /// Of the scores that a row sees: two products forward, five with the gradients (those computed twice do not count).
  double flops(int64_t products) const {
    double seen = 0;
    for (const RowRange& one : documents_) seen += static_cast<double>(one.length * (one.length + 1) / 2);
    return static_cast<double>(2 * products * kRow) * seen;
  }

 private:
  enum Part : int { kQ, kK, kV, kDout, kOut, kDq, kDk, kDv };
  Heads<float> heads(int i) const { return {part_[i], kRow, kHeadWidth}; }
  Heads<const float> readable(int i) const { return {part_[i], kRow, kHeadWidth}; }
  AttentionInputs<float> inputs() const { return {readable(kQ), readable(kK), readable(kV)}; }

  Math math_;
  AttentionShape shape_;
  std::vector<RowRange> documents_;
  float *part_[8], *lse_;
};

Body body(Math math, int64_t documents, int64_t length, bool gradients) {
  return [=](benchmark::State& state, const KernelRow& row) {
    Attention attention(math, documents, length);
    if (refuse(state, attention.fault())) return;
    PeakShare peak(row, math);
    const double seconds = measure(
        state, [] {}, [&] { gradients ? attention.backward() : attention.forward(); });
    peak.report(state, attention.flops(gradients ? 5 : 2), seconds);
  };
}

}  // namespace

void add_attention() {
  for (const KernelRow* row : rows_here()) {
    if (row->name == "reference") continue;  // minutes of plain loops
    for (const Math math : {Math::bf16, Math::full}) {
      if (math == Math::bf16 && !row->bf16_products) continue;
      const std::string arithmetic = math == Math::bf16 ? "bf16/" : "fp32/";
      for (const auto& [documents, length] : {std::pair<int64_t, int64_t>{4, 512}, {1, 2048}, {40, 50}}) {
        const std::string sizes = std::to_string(documents) + "x" + std::to_string(length);
        add_benchmark("attention", *row, arithmetic + sizes, body(math, documents, length, false));
        add_benchmark("attention_backward", *row, arithmetic + sizes, body(math, documents, length, true));
      }
    }
  }
}

}  // namespace hellora::kernels::bench
