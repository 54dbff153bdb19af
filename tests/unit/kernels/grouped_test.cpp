// Grouped products against plain loops in fp64, for every row, arithmetic and store; groups of any size, the same bytes for
// any number of threads.
#include "hellora/kernels/grouped.h"

#include <gtest/gtest.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include <cmath>

#include "hellora/kernels/bf16.h"
#include "tests/unit/kernels/random.h"

namespace hellora::kernels {
namespace {

using testing::Aligned;
using testing::random_floats;
using testing::random_int;

/// Groups of rows, their weights W (n, k), and activations.
struct Case {
  std::vector<int64_t> offsets{0};
  int64_t n = 0, k = 0;
  Math math = Math::full;
  WeightType store = WeightType::bf16;
  std::vector<float> x, dy;
  std::vector<int64_t> gather;
  std::vector<Aligned<std::byte>> memory;
  std::vector<Packed> w;
  std::vector<std::vector<double>> plain;

  int64_t groups() const { return static_cast<int64_t>(w.size()); }
  int64_t rows() const { return offsets.back(); }
};

Case make_case(uint64_t seed) {
  Case c;
  const int64_t groups = random_int(1, 5, seed, 0);
  c.n = random_int(1, 200, seed, 1);
  c.k = random_int(1, 200, seed, 2);
  c.math = seed % 3 == 2 ? Math::bf16 : Math::full;
  c.store = c.math == Math::bf16 || seed % 2 == 0 ? WeightType::bf16 : WeightType::f32;
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t kind = random_int(0, 4, seed, static_cast<uint64_t>(10 + g));  // empty, one row, some, many
    c.offsets.push_back(c.offsets.back() + (kind == 0   ? 0
                                            : kind == 1 ? 1
                                            : kind == 2 ? 15
                                                        : random_int(2, 60, seed, static_cast<uint64_t>(30 + g))));
    const auto values = random_floats(c.n * c.k, seed * 50 + static_cast<uint64_t>(g));
    Packed packed{nullptr, c.store, c.n, c.k};
    c.memory.emplace_back(static_cast<size_t>(packed.bytes()));
    pack_matrix({values.data(), WeightType::f32, c.k, 1}, 1.0, packed, c.memory.back().data());
    packed.data = c.memory.back().data();
    c.w.push_back(packed);
    c.plain.emplace_back(values.size());
    unpack_matrix(packed, c.plain.back().data());
  }
  const int64_t tokens = 40;
  c.x = random_floats(tokens * c.k, seed + 1000);
  c.dy = random_floats(c.rows() * c.n, seed + 2000);
  for (int64_t r = 0; r < c.rows(); ++r) c.gather.push_back(random_int(0, tokens - 1, seed, static_cast<uint64_t>(100 + r)));
  return c;
}

double operand_value(const Case& c, float value) { return c.math == Math::bf16 ? widen_bf16(round_bf16(value)) : value; }

std::vector<float> forward(const Case& c) {
  Scratch scratch;
  const std::vector<int64_t> columns(static_cast<size_t>(c.groups()), round_up(c.k, kPanel));
  const Operand<float> operand(c.math, c.offsets, columns, scratch);
  for (size_t t = 0; t < operand.tiles().size(); ++t)
    operand.fill(t, 0, Rows<float>{c.x.data(), c.k, c.gather.data()}, c.k, round_up(c.k, kPanel));
  std::vector<float> y(static_cast<size_t>(c.rows() * c.n), NAN);  // every element must be written
  multiply_forward<float>(
      operand, c.n,
      [&](int64_t g, std::vector<Term>& terms) {
        terms.push_back({0, c.w[static_cast<size_t>(g)]});
      },
      {},
      [&](const RowTile& tile, int64_t column, int64_t panels, const float* out, int64_t ldc) {
        for (int64_t r = 0; r < tile.rows; ++r) {
          for (int64_t j = 0; j < std::min(panels * kPanel, c.n - column); ++j) {
            y[static_cast<size_t>((tile.first + r) * c.n + column + j)] = out[r * ldc + j];
          }
        }
      });
  return y;
}

/// dx of the first `inputs` columns, added up over groups in the given sequence by row's token.
std::vector<float> backward(const Case& c, Sequence sequence) {
  Scratch scratch;
  const std::vector<int64_t> columns(static_cast<size_t>(c.groups()), round_up(c.n, kPanel));
  const Operand<float> operand(c.math, c.offsets, columns, scratch);
  for (size_t t = 0; t < operand.tiles().size(); ++t)
    operand.fill(t, 0, Rows<float>{c.dy.data(), c.n, nullptr}, c.n, round_up(c.n, kPanel));
  std::vector<float> dx(static_cast<size_t>(40 * c.k));
  multiply_backward<float>(
      operand, c.k,
      [&](int64_t g, std::vector<Term>& terms) {
        terms.push_back({0, c.w[static_cast<size_t>(g)]});
      },
      sequence,
      [&](const RowTile& tile, int64_t column, int64_t panels, const float* out, int64_t ldc) {
        for (int64_t r = 0; r < tile.rows; ++r) {
          for (int64_t j = 0; j < std::min(panels * kPanel, c.k - column); ++j) {
            dx[static_cast<size_t>(c.gather[static_cast<size_t>(tile.first + r)] * c.k + column + j)] += out[r * ldc + j];
          }
        }
      });
  return dx;
}

std::vector<int64_t> all_groups(const Case& c) {
  std::vector<int64_t> sequence;
  for (int64_t g = c.groups(); g-- > 0;) sequence.push_back(g);  // any order that lists each once
  return sequence;
}

template <class Check>
void for_rows_of(const Case& c, const Check& check) {
  for (int64_t g = 0; g < c.groups(); ++g) {
    for (int64_t r = c.offsets[static_cast<size_t>(g)]; r < c.offsets[static_cast<size_t>(g) + 1]; ++r) check(static_cast<size_t>(g), r);
  }
}

class Grouped : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    const KernelRow& row = kernel_rows()[GetParam()];
    if (!row.why_not().empty()) GTEST_SKIP() << row.why_not();
    force_row(std::string(row.name));
  }
  void TearDown() override {
    for (const KernelRow& row : kernel_rows()) {
      if (row.why_not().empty()) return force_row(std::string(row.name));
    }
  }
};

TEST_P(Grouped, ForwardEqualsPlainLoops) {
  for (uint64_t seed = 0; seed < 18; ++seed) {
    const Case c = make_case(seed);
    const std::vector<float> y = forward(c);
    for_rows_of(c, [&](size_t g, int64_t r) {
      for (int64_t n = 0; n < c.n; ++n) {
        double want = 0;
        for (int64_t k = 0; k < c.k; ++k) {
          want += operand_value(c, c.x[static_cast<size_t>(c.gather[static_cast<size_t>(r)] * c.k + k)]) *
                  c.plain[g][static_cast<size_t>(n * c.k + k)];
        }
        ASSERT_NEAR(y[static_cast<size_t>(r * c.n + n)], want, 1e-5 * std::sqrt(static_cast<double>(c.k) + 1))
            << "seed " << seed << " row " << r;
      }
    });
  }
}

TEST_P(Grouped, BackwardEqualsPlainLoops) {
  for (uint64_t seed = 0; seed < 18; ++seed) {
    const Case c = make_case(seed);
    const std::vector<float> dx = backward(c, all_groups(c));
    std::vector<double> want(dx.size());
    for_rows_of(c, [&](size_t g, int64_t r) {
      for (int64_t k = 0; k < c.k; ++k) {
        double sum = 0;
        for (int64_t n = 0; n < c.n; ++n)
          sum += operand_value(c, c.dy[static_cast<size_t>(r * c.n + n)]) * c.plain[g][static_cast<size_t>(n * c.k + k)];
        want[static_cast<size_t>(c.gather[static_cast<size_t>(r)] * c.k + k)] += sum;
      }
    });
    for (size_t i = 0; i < dx.size(); ++i) ASSERT_NEAR(dx[i], want[i], 1e-4 * std::sqrt(static_cast<double>(c.n) + 1)) << "seed " << seed;
  }
}

TEST_P(Grouped, OuterProductsEqualPlainLoops) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const Case c = make_case(seed);
    const int64_t m = random_int(1, 40, seed, 60);
    const std::vector<float> left = random_floats(c.rows() * m, seed + 1);
    std::vector<std::vector<float>> out(static_cast<size_t>(c.groups()), std::vector<float>(static_cast<size_t>(m * c.n), 1.0F));
    add_outer<float>(c.offsets, Rows<float>{left.data(), m, nullptr}, m, Rows<float>{c.dy.data(), c.n, nullptr}, c.n, [&](int64_t g) {
      return Target<float>{g == 1 ? nullptr : out[static_cast<size_t>(g)].data(), 1, m, 0.5F};
    });
    for (int64_t g = 0; g < c.groups(); ++g) {
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < c.n; ++j) {
          double want = 0;
          for (int64_t r = c.offsets[static_cast<size_t>(g)]; r < c.offsets[static_cast<size_t>(g) + 1]; ++r) {
            want += static_cast<double>(left[static_cast<size_t>(r * m + i)]) * c.dy[static_cast<size_t>(r * c.n + j)];
          }
          ASSERT_NEAR(out[static_cast<size_t>(g)][static_cast<size_t>(j * m + i)], 1 + (g == 1 ? 0 : 0.5 * want), 1e-4) << "seed " << seed;
        }
      }
    }
  }
}

// Members of different rank share the left columns: what lies behind a member's own rank is not its, in any row tile.
TEST_P(Grouped, OuterProductsEndAtTheirRank) {
  const std::vector<int64_t> offsets = {0, 3, 9}, ranks = {40, 17};
  constexpr int64_t kLeft = 40, kRight = 5;
  const auto left = random_floats(9 * kLeft, 1), right = random_floats(9 * kRight, 2);
  std::vector<std::vector<float>> out(2, std::vector<float>(kLeft * kRight, 7.0F));
  add_outer<float>(offsets, Rows<float>{left.data(), kLeft, nullptr}, kLeft, Rows<float>{right.data(), kRight, nullptr}, kRight,
                   [&](int64_t g) {
                     return Target<float>{out[static_cast<size_t>(g)].data(), kRight, 1, 1.0F, ranks[static_cast<size_t>(g)]};
                   });
  for (size_t g = 0; g < 2; ++g) {
    for (int64_t i = 0; i < kLeft; ++i) {
      const bool own = i < ranks[g];
      EXPECT_EQ(out[g][static_cast<size_t>(i * kRight)] != 7.0F, own) << "group " << g << ", row " << i;
    }
  }
}

TEST_P(Grouped, SameBytesForAnyThreads) {
#ifdef _OPENMP
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const Case c = make_case(seed);
    omp_set_num_threads(1);
    const auto y = forward(c), dx = backward(c, all_groups(c));
    for (const int threads : {2, 3}) {
      omp_set_num_threads(threads);
      EXPECT_EQ(forward(c), y) << threads;
      EXPECT_EQ(backward(c, all_groups(c)), dx) << threads;
    }
  }
#else
  GTEST_SKIP() << "built without OpenMP";
#endif
}

INSTANTIATE_TEST_SUITE_P(Kernels, Grouped, ::testing::Range(size_t{0}, kernel_rows().size()),
                         [](const auto& one) { return std::string(kernel_rows()[one.param].name); });

TEST(CutRows, EqualTilesThatCoverEveryRowOnce) {
  const std::vector<int64_t> offsets = {0, 0, 15, 16, 45};
  const auto tiles = cut_rows(offsets, {14});
  int64_t next = 0;
  for (const RowTile& tile : tiles) {
    EXPECT_EQ(tile.first, next);
    next += tile.rows;
    EXPECT_LE(tile.rows, 14);
    EXPECT_GE(tile.first, offsets[static_cast<size_t>(tile.group)]);
    EXPECT_LE(tile.first + tile.rows, offsets[static_cast<size_t>(tile.group) + 1]);
  }
  EXPECT_EQ(next, 45);
  EXPECT_EQ(tiles[0].rows, 8);  // 15 rows: 8 + 7, not 14 + 1
}

/// A weight of more rows than one chunk of transposed panels: partial sums wait between chunks.
TEST(Chunks, LongOutputsAreSummedOverChunks) {
  const int64_t n = 3000, k = 40, rows = 17;
  const auto values = random_floats(n * k, 1), dy = random_floats(rows * n, 2);
  Packed packed{nullptr, WeightType::f32, n, k};
  Aligned<std::byte> data(static_cast<size_t>(packed.bytes()));
  pack_matrix({values.data(), WeightType::f32, k, 1}, 1.0, packed, data.data());
  packed.data = data.data();
  Scratch scratch;
  const std::vector<int64_t> offsets = {0, rows}, columns = {round_up(n, kPanel)};
  const Operand<float> operand(Math::full, offsets, columns, scratch);
  for (size_t t = 0; t < operand.tiles().size(); ++t) operand.fill(t, 0, Rows<float>{dy.data(), n, nullptr}, n, columns[0]);
  std::vector<float> dx(static_cast<size_t>(rows * k));
  multiply_backward<float>(
      operand, k,
      [&](int64_t, std::vector<Term>& terms) {
        terms.push_back({0, packed});
      },
      {},
      [&](const RowTile& tile, int64_t column, int64_t panels, const float* out, int64_t ldc) {
        for (int64_t r = 0; r < tile.rows; ++r) {
          for (int64_t j = 0; j < std::min(panels * kPanel, k - column); ++j)
            dx[static_cast<size_t>((tile.first + r) * k + column + j)] += out[r * ldc + j];
        }
      });
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < k; ++j) {
      double want = 0;
      for (int64_t i = 0; i < n; ++i)
        want += static_cast<double>(dy[static_cast<size_t>(r * n + i)]) * values[static_cast<size_t>(i * k + j)];
      EXPECT_NEAR(dx[static_cast<size_t>(r * k + j)], want, 1e-3);
    }
  }
}

}  // namespace
}  // namespace hellora::kernels
