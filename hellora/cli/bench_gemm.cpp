// Grouped products at an expert's true width: every expert has the same number of rows, weights are larger than the caches.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>

#include "hellora/cli/bench.h"
#include "hellora/core/error.h"
#include "hellora/core/json.h"
#include "hellora/core/json_text.h"
#include "hellora/core/text.h"
#include "hellora/kernels/bf16.h"
#include "hellora/kernels/grouped.h"
#include "hellora/kernels/probe.h"
#include "hellora/recipe/table.h"

namespace hellora {
namespace {

using namespace kernels;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Problem {
  int64_t rows, groups, in, out;
  Math math;
  std::vector<int64_t> offsets;
  Block weights, x, y, dx;
  std::vector<Packed> w;
  Scratch scratch;

  Problem(const GemmOptions& o, Math m) : rows(o.rows * o.experts), groups(o.experts), in(o.in), out(o.out), math(m) {
    for (int64_t g = 0; g <= groups; ++g) offsets.push_back(g * o.rows);
    const int64_t one = Packed{nullptr, WeightType::bf16, out, in}.bytes();
    weights = Block(static_cast<size_t>(one * groups));
    x = Block(static_cast<size_t>(rows * in * 4));
    y = Block(static_cast<size_t>(rows * out * 4));
    dx = Block(static_cast<size_t>(rows * in * 4));
    auto* words = reinterpret_cast<uint16_t*>(weights.data());
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < one * groups / 2; ++i)
      words[i] = round_bf16(static_cast<float>((i * 2654435761LL >> 8) & 0xFFFF) / 65536.0F - 0.5F);
    for (int64_t g = 0; g < groups; ++g) w.push_back({weights.data() + g * one, WeightType::bf16, out, in});
    for (int64_t i = 0; i < rows * in; ++i) x_data()[i] = static_cast<float>((i * 40503 >> 4) & 0xFF) / 256.0F - 0.5F;
  }

  float* x_data() const { return reinterpret_cast<float*>(x.data()); }
  float* y_data() const { return reinterpret_cast<float*>(y.data()); }
  float* dx_data() const { return reinterpret_cast<float*>(dx.data()); }

  Operand<float> packed_rows(const float* source, int64_t k) {
    const std::vector<int64_t> columns(static_cast<size_t>(groups), round_up(k, kPanel));
    Operand<float> operand(math, offsets, columns, scratch);
    const auto tiles = static_cast<int64_t>(operand.tiles().size());
#pragma omp parallel for schedule(dynamic)
    for (int64_t t = 0; t < tiles; ++t) operand.fill(static_cast<size_t>(t), 0, Rows<float>{source, k, nullptr}, k, round_up(k, kPanel));
    return operand;
  }

  static TileDone<float> store(float* target, int64_t width) {
    return [=](const RowTile& tile, int64_t column, int64_t panels, const float* c, int64_t ldc) {
      for (int64_t r = 0; r < tile.rows; ++r) {
        std::copy(c + r * ldc, c + r * ldc + std::min(panels * kPanel, width - column), target + (tile.first + r) * width + column);
      }
    };
  }
  TermsOf terms() const {
    return [this](int64_t g, std::vector<Term>& out_terms) { out_terms.push_back({0, w[static_cast<size_t>(g)]}); };
  }
  void forward() { multiply_forward<float>(packed_rows(x_data(), in), out, terms(), {}, store(y_data(), out)); }
  void backward() { multiply_backward<float>(packed_rows(y_data(), out), in, terms(), {}, store(dx_data(), in)); }

  double operand(float value) const { return math == Math::bf16 ? widen_bf16(round_bf16(value)) : value; }
  double weight(int64_t g, int64_t n, int64_t k) const {
    const auto* panel = reinterpret_cast<const uint16_t*>(w[static_cast<size_t>(g)].panel(n / kPanel));
    return widen_bf16(panel[(k / 2 * kPanel + n % kPanel) * 2 + k % 2]);
  }

  /// Largest error of sampled elements, as a share of the sum of absolute products.
  double error() const {
    double worst = 0;
    for (int64_t i = 0; i < 64; ++i) {
      const int64_t r = i * 7919 % rows, n = i * 104729 % out, k = i * 1299709 % in, g = r / (rows / groups);
      double sum = 0, size = 1e-30, sum_dx = 0, size_dx = 1e-30;
      for (int64_t j = 0; j < in; ++j) {
        const double product = operand(x_data()[r * in + j]) * weight(g, n, j);
        sum += product;
        size += std::abs(product);
      }
      for (int64_t j = 0; j < out; ++j) {
        const double product = operand(y_data()[r * out + j]) * weight(g, j, k);
        sum_dx += product;
        size_dx += std::abs(product);
      }
      worst = std::max({worst, std::abs(sum - y_data()[r * out + n]) / size, std::abs(sum_dx - dx_data()[r * in + k]) / size_dx});
    }
    return worst;
  }
};

}  // namespace

void GemmOptions::declare(CLI::App& app) {
  app.add_option("--rows", rows, "rows of each expert")->check(CLI::Range(1, 1 << 16));
  app.add_option("--experts", experts, "experts")->check(CLI::Range(1, 1024));
  app.add_option("--in", in, "input width")->check(CLI::Range(1, 1 << 16));
  app.add_option("--out", out, "output width")->check(CLI::Range(1, 1 << 16));
  app.add_option("--matmul", matmul, "auto, fp32 or bf16")->check(CLI::IsMember({"auto", "fp32", "bf16"}));
  app.add_option("--repeats", repeats, "measurements; the median counts")->check(CLI::Range(1, 1000));
}

int bench_gemm(const GemmOptions& o, bool json) {
  const bool bf16 = o.matmul == "bf16" || (o.matmul == "auto" && active_row().bf16_products);
  Problem problem(o, bf16 ? Math::bf16 : Math::full);
  problem.forward();  // pages in, and fills y for the backward product
  problem.backward();
  if (problem.error() > 1e-5) throw CheckFailed("bench gemm: the result is wrong by " + fixed(problem.error(), 8));
  const double work = 2.0 * static_cast<double>(problem.rows * o.in * o.out);
  std::vector<double> forward, backward, probes, forward_share, backward_share;
  for (int64_t i = 0; i < o.repeats; ++i) {
    const double before = probe_arithmetic(problem.math), t0 = now();
    problem.forward();
    const double t1 = now();
    problem.backward();
    const double t2 = now(), probe = (before + probe_arithmetic(problem.math)) / 2;
    forward.push_back(work / (t1 - t0));
    backward.push_back(work / (t2 - t1));
    probes.push_back(probe);
    forward_share.push_back(forward.back() / probe);
    backward_share.push_back(backward.back() / probe);
  }
  const Json result{{"rows", o.rows},
                    {"matmul", bf16 ? "bf16" : "fp32"},
                    {"kernel", std::string(active_row().name)},
                    {"forward", {{"gflops", median(forward) * 1e-9}, {"fraction", median(forward_share)}}},
                    {"input_gradient", {{"gflops", median(backward) * 1e-9}, {"fraction", median(backward_share)}}},
                    {"probe", {{"gflops", median(probes) * 1e-9}}}};
  if (json) {
    std::cout << dump_json(result) << "\n";
    return 0;
  }
  std::cout << format_table({{"product", "GFLOP/s", "of the probe"},
                             {"forward", fixed(median(forward) * 1e-9, 0), percent(median(forward_share))},
                             {"input gradient", fixed(median(backward) * 1e-9, 0), percent(median(backward_share))},
                             {"probe (" + std::string(bf16 ? "bf16 dot" : "fp32 FMA") + ")", fixed(median(probes) * 1e-9, 0), ""}});
  return 0;
}

}  // namespace hellora
