// Products of grouped rows with packed weights. Rows are sorted by group (an expert's rows, or one group of all rows); every
// group has its own matrices. Work is cut into fixed tiles whose results do not depend on who computes them, so bytes are
// the same for any number of threads.
#pragma once

#include <functional>
#include <vector>

#include "hellora/kernels/buffer.h"
#include "hellora/kernels/row.h"

namespace hellora::kernels {

/// Rows [first, first + rows) of one group.
struct RowTile {
  int64_t group = 0, first = 0;
  int rows = 0;
};

/// Tiles as equal as their steps allow for each group; offsets has groups + 1 borders.
std::vector<RowTile> cut_rows(std::span<const int64_t> offsets, TileRows wanted);

/// Where activations come from: row n of the sorted order is at base + index(n) * step, with index the gather list or n.
template <class Real>
struct Rows {
  const Real* base = nullptr;
  int64_t step = 0;
  const int64_t* index = nullptr;
  const Real* row(int64_t n) const { return base + (index != nullptr ? index[n] : n) * step; }
};

/// Activations packed for the tile kernels: per row tile one strip of `columns` reals (or bf16) per row. The strip may hold
/// several parts one after the other (x, then the low-rank activations of adapted rows).
template <class Real>
class Operand {
 public:
  /// `columns[g]`: padded width of group g's strip. Memory comes from `scratch` and is valid until its next get().
  Operand(Math math, std::span<const int64_t> offsets, std::span<const int64_t> columns, Scratch& scratch);

  Math math() const { return math_; }
  std::span<const RowTile> tiles() const { return tiles_; }
  /// Tiles of a group.
  std::span<const RowTile> tiles(int64_t group) const;
  int64_t groups() const { return static_cast<int64_t>(first_.size()) - 1; }
  int64_t rows(int64_t group) const;

  /// Packs `k` columns of a tile's rows behind `at` (in columns); they take padded columns.
  void fill(size_t tile, int64_t at, const Rows<Real>& rows, int64_t k, int64_t padded) const;
  /// The same from row pointers of the caller.
  void fill(size_t tile, int64_t at, const Real* const* rows, int64_t k, int64_t padded) const;

  /// The segment of columns [at, at + k) of a tile, against a panel.
  Segment segment(size_t tile, int64_t at, int64_t k, const void* panel, WeightType store) const;

 private:
  Math math_;
  std::vector<RowTile> tiles_;
  std::vector<int64_t> first_;   // first tile of each group, groups + 1
  std::vector<int64_t> strips_;  // byte offset of each tile
  std::byte* data_ = nullptr;
};

/// A product of one part of the operand with a weight: part of the strip from `at`, against `w` (k = w.padded_k()).
struct Term {
  int64_t at = 0;
  Packed w;
};

/// Most columns of a finished tile.
inline constexpr int64_t kTileColumns = 4 * kPanel;

/// Receives a finished tile: `c` holds rows x (32 · panels) values with row stride `ldc`, for output columns from `column`.
template <class Real>
using TileDone = std::function<void(const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc)>;

/// Which terms a group's rows take part in; called once per (group, task).
using TermsOf = std::function<void(int64_t group, std::vector<Term>& terms)>;

/// Groups in the order in which they must follow each other inside a column block, for a `done` that adds up over groups;
/// empty: any order, also at the same time.
using Sequence = std::span<const int64_t>;

/// y (columns = rows of w) = Σ over terms of part · wᵀ. All terms of a group have the same number of weight rows `outputs`.
template <class Real>
void multiply_forward(const Operand<Real>& x, int64_t outputs, const TermsOf& terms, Sequence sequence, const TileDone<Real>& done);

/// dx (columns = columns of w) = Σ over terms of part · w, by transposing 32 columns of w at a time. All terms have
/// the same number of weight columns `inputs`; a term's part has w.n columns, padded to 32.
template <class Real>
void multiply_backward(const Operand<Real>& dy, int64_t inputs, const TermsOf& terms, Sequence sequence, const TileDone<Real>& done);

/// For each group g: out_g (left columns, right columns) += Σ over its rows of left(row)ᵀ · right(row), where `left` has
/// `m` columns and `right` has `n` columns. out(g) returns the group's matrix (null: skip): element (i, j) lies at
/// i * row + j * column and grows by scale times the sum.
template <class Real>
struct Target {
  Real* data = nullptr;
  int64_t row = 0, column = 1;
  Real scale = 1;
  int64_t rows = INT64_MAX;  // of the left columns only so many belong to the matrix
};
template <class Real>
void add_outer(std::span<const int64_t> offsets, const Rows<Real>& left, int64_t m, const Rows<Real>& right, int64_t n,
               const std::function<Target<Real>(int64_t group)>& out);

}  // namespace hellora::kernels
