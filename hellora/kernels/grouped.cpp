#include "hellora/kernels/grouped.h"

#include <algorithm>
#include <array>

#include "hellora/core/error.h"

namespace hellora::kernels {
namespace {

constexpr int64_t kBlock = 4;         // panels of one task: together with a row tile they stay in the L2 cache
constexpr int64_t kSpan = 8;          // blocks that follow each other in one task, so that the next can be fetched ahead
constexpr int64_t kChunkPanels = 80;  // panels transposed at a time: 80 · 4 · 2 KiB of bf16
constexpr int64_t kLdc = kTileColumns;
static_assert(kLdc == kBlock * kPanel);
constexpr int kMaxTerms = 8;

/// Scratch of the calling OpenMP thread.
Scratch& own_scratch() {
  static thread_local Scratch scratch;
  return scratch;
}

int64_t operand_bytes(Math math, size_t real) { return math == Math::bf16 ? 2 : static_cast<int64_t>(real); }

struct Task {
  int64_t group, first_block, last_block;  // group < 0: all groups, one after the other
};

std::vector<Task> make_tasks(int64_t groups, int64_t blocks, Sequence sequence) {
  std::vector<Task> tasks;
  if (!sequence.empty()) {
    for (int64_t b = 0; b < blocks; ++b) tasks.push_back({-1, b, b + 1});
    return tasks;
  }
  const int64_t span = std::clamp<int64_t>(groups * blocks / 32, 1, kSpan);
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t b = 0; b < blocks; b += span) tasks.push_back({g, b, std::min(blocks, b + span)});
  }
  return tasks;
}

/// Runs body(group, block, next group, next block) for every task; next group is -1 at the end of a task.
template <class Body>
void run_tasks(int64_t groups, int64_t blocks, Sequence sequence, const Body& body) {
  const std::vector<Task> tasks = make_tasks(groups, blocks, sequence);
  const auto count = static_cast<int64_t>(tasks.size());
#pragma omp parallel for schedule(dynamic)
  for (int64_t t = 0; t < count; ++t) {
    const Task& task = tasks[static_cast<size_t>(t)];
    for (int64_t b = task.first_block; b < task.last_block; ++b) {
      if (task.group >= 0) {
        body(task.group, b, b + 1 < task.last_block ? task.group : -1, b + 1);
        continue;
      }
      for (size_t i = 0; i < sequence.size(); ++i) body(sequence[i], b, i + 1 < sequence.size() ? sequence[i + 1] : -1, b);
    }
  }
}

/// What a group's rows are multiplied with, checked.
std::vector<Term> terms_of(const TermsOf& source, int64_t group) {
  std::vector<Term> terms;
  source(group, terms);
  HELLORA_CHECK(!terms.empty() && terms.size() <= kMaxTerms, "a product has between one and eight terms");
  return terms;
}

}  // namespace

std::vector<RowTile> cut_rows(std::span<const int64_t> offsets, TileRows wanted) {
  std::vector<RowTile> tiles;
  for (size_t g = 0; g + 1 < offsets.size(); ++g) {
    const int64_t rows = offsets[g + 1] - offsets[g], count = (rows + wanted.rows - 1) / wanted.rows;
    const int64_t steps = (rows + wanted.step - 1) / wanted.step;
    int64_t at = offsets[g];
    for (int64_t t = 0; t < count; ++t) {
      const int64_t own = std::min((steps / count + (t < steps % count ? 1 : 0)) * wanted.step, offsets[g + 1] - at);
      tiles.push_back({static_cast<int64_t>(g), at, static_cast<int>(own)});
      at += own;
    }
  }
  return tiles;
}

template <class Real>
Operand<Real>::Operand(Math math, std::span<const int64_t> offsets, std::span<const int64_t> columns, Scratch& scratch)
    : math_(math), tiles_(cut_rows(offsets, primitives<Real>().tile_rows(math))) {
  const auto groups = static_cast<int64_t>(offsets.size()) - 1;
  first_.assign(static_cast<size_t>(groups) + 1, static_cast<int64_t>(tiles_.size()));
  int64_t bytes = 0;
  for (size_t t = tiles_.size(); t-- > 0;) first_[static_cast<size_t>(tiles_[t].group)] = static_cast<int64_t>(t);
  for (auto g = static_cast<size_t>(groups); g-- > 0;) {  // groups without rows
    if (offsets[g] == offsets[g + 1]) first_[g] = first_[g + 1];
  }
  for (const RowTile& tile : tiles_) {
    strips_.push_back(bytes);
    bytes += round_up(columns[static_cast<size_t>(tile.group)] * tile.rows * operand_bytes(math, sizeof(Real)), 64);
  }
  data_ = scratch.get(static_cast<size_t>(bytes));
}

template <class Real>
std::span<const RowTile> Operand<Real>::tiles(int64_t group) const {
  const auto g = static_cast<size_t>(group);
  return std::span(tiles_).subspan(static_cast<size_t>(first_[g]), static_cast<size_t>(first_[g + 1] - first_[g]));
}

template <class Real>
int64_t Operand<Real>::rows(int64_t group) const {
  int64_t rows = 0;
  for (const RowTile& tile : tiles(group)) rows += tile.rows;
  return rows;
}

template <class Real>
void Operand<Real>::fill(size_t tile, int64_t at, const Rows<Real>& rows, int64_t k, int64_t padded) const {
  std::array<const Real*, kMaxTileRows> source{};
  for (int r = 0; r < tiles_[tile].rows; ++r) source[static_cast<size_t>(r)] = rows.row(tiles_[tile].first + r);
  fill(tile, at, source.data(), k, padded);
}

template <class Real>
void Operand<Real>::fill(size_t tile, int64_t at, const Real* const* rows, int64_t k, int64_t padded) const {
  const int64_t begin = strips_[tile] + at * tiles_[tile].rows * operand_bytes(math_, sizeof(Real));
  primitives<Real>().pack(math_, tiles_[tile].rows, rows, k, padded, data_ + begin);
}

template <class Real>
Segment Operand<Real>::segment(size_t tile, int64_t at, int64_t k, const void* panel, WeightType store) const {
  const int64_t begin = strips_[tile] + at * tiles_[tile].rows * operand_bytes(math_, sizeof(Real));
  return {data_ + begin, tiles_[tile].rows, panel, store, k};
}

namespace {

/// Call number `call` of `calls` fetches its share of what the next block reads: of each `bytes`, which lie `jump` apart.
Ahead share_of(const std::byte* data, int64_t bytes, int64_t jump, int64_t call, int64_t calls) {
  const int64_t own = round_up((bytes + calls - 1) / calls, 64), at = call * own;
  return at < bytes ? Ahead{data + at, std::min(own, bytes - at), jump} : Ahead{};
}

}  // namespace

template <class Real>
void multiply_forward(const Operand<Real>& x, int64_t outputs, const TermsOf& terms_source, Sequence sequence, const TileDone<Real>& done) {
  const int64_t panels = round_up(outputs, kPanel) / kPanel, blocks = (panels + kBlock - 1) / kBlock;
  const Primitives<Real>& prim = primitives<Real>();
  const RowTile* base = x.tiles().data();
  run_tasks(x.groups(), blocks, sequence, [&](int64_t group, int64_t block, int64_t next_group, int64_t next_block) {
    const auto tiles = x.tiles(group);
    if (tiles.empty()) return;
    const std::vector<Term> terms = terms_of(terms_source, group);
    const int64_t first = block * kBlock, count = std::min(kBlock, panels - first);
    std::vector<Term> following;
    if (next_group >= 0) following = next_group == group ? terms : terms_of(terms_source, next_group);
    alignas(64) std::array<Real, static_cast<size_t>(kMaxTileRows) * kLdc> c;
    for (const RowTile& tile : tiles) {
      const auto t = static_cast<size_t>(&tile - base);
      for (int64_t p = 0; p < count; ++p) {
        std::array<Segment, kMaxTerms> segments;
        for (size_t i = 0; i < terms.size(); ++i) {
          segments[i] = x.segment(t, terms[i].at, terms[i].w.padded_k(), terms[i].w.panel(first + p), terms[i].w.store);
        }
        const int64_t ahead = next_block * kBlock + p;
        if (!following.empty() && ahead < panels) {  // of the weight: low-rank parts are small
          const Packed& w = following[0].w;
          const int64_t chunk = kPanel * kPanel * store_bytes(w.store);
          segments[0].ahead = share_of(w.panel(ahead), chunk, chunk, &tile - tiles.data(), static_cast<int64_t>(tiles.size()));
        }
        prim.tile(x.math(), tile.rows, segments.data(), static_cast<int>(terms.size()), c.data() + p * kPanel, kLdc, false);
      }
      done(tile, first * kPanel, count, c.data(), kLdc);
    }
  });
}

namespace {

/// Part of a term: weight panels [first, first + count).
struct Piece {
  Term term;
  int64_t first = 0, count = 0;

  /// What a block of `panels` columns from `column` reads of one weight panel, and how far the next panel is.
  const std::byte* block(int64_t column) const { return term.w.panel(first) + column * kPanel * store_bytes(term.w.store); }
  int64_t block_bytes(int64_t panels) const { return panels * kPanel * kPanel * store_bytes(term.w.store); }
};
using Chunk = std::vector<Piece>;

/// Terms cut into chunks whose transposed panels fit into the cache together.
std::vector<Chunk> cut_terms(const std::vector<Term>& terms) {
  std::vector<Chunk> chunks(1);
  int64_t held = 0;
  for (const Term& term : terms) {
    for (int64_t first = 0; first < term.w.panels();) {
      if (held == kChunkPanels || chunks.back().size() == kMaxTerms) {
        chunks.emplace_back();
        held = 0;
      }
      const int64_t count = std::min(kChunkPanels - held, term.w.panels() - first);
      chunks.back().push_back({term, first, count});
      held += count;
      first += count;
    }
  }
  return chunks;
}

/// The pieces of a chunk, transposed for a block of columns: panel[p][i] of column panel p and piece i.
using Transposed = std::array<std::array<std::byte*, kMaxTerms>, kBlock>;

template <class Real>
Transposed transpose_chunk(const Chunk& chunk, int64_t first, int64_t count, std::byte* scratch, int64_t column_bytes) {
  Transposed panel{};
  for (int64_t p = 0; p < count; ++p) {
    std::byte* at = scratch + p * column_bytes;
    for (size_t i = 0; i < chunk.size(); ++i) {
      panel[static_cast<size_t>(p)][i] = at;
      primitives<Real>().transpose(chunk[i].term.w, (first + p) * kPanel, chunk[i].first, chunk[i].count, at);
      at += chunk[i].block_bytes(1) * chunk[i].count;
    }
  }
  return panel;
}

}  // namespace

template <class Real>
void multiply_backward(const Operand<Real>& dy, int64_t inputs, const TermsOf& terms_source, Sequence sequence,
                       const TileDone<Real>& done) {
  const int64_t columns = round_up(inputs, kPanel) / kPanel, blocks = (columns + kBlock - 1) / kBlock;
  const RowTile* base = dy.tiles().data();
  run_tasks(dy.groups(), blocks, sequence, [&](int64_t group, int64_t block, int64_t next_group, int64_t next_block) {
    const auto tiles = dy.tiles(group);
    if (tiles.empty()) return;
    const auto chunks = cut_terms(terms_of(terms_source, group));
    std::vector<Chunk> following;  // of the next block
    if (next_group >= 0) following = next_group == group ? chunks : cut_terms(terms_of(terms_source, next_group));
    const int64_t first = block * kBlock, count = std::min(kBlock, columns - first);
    const int64_t column_bytes = kChunkPanels * kPanel * kPanel * static_cast<int64_t>(sizeof(Real));
    const bool sums = chunks.size() > 1;  // partial sums wait in memory between chunks
    const int64_t sum_rows = sums ? dy.rows(group) : kMaxTileRows;
    std::byte* scratch =
        own_scratch().get(static_cast<size_t>(kBlock * column_bytes + sum_rows * kLdc * static_cast<int64_t>(sizeof(Real))));
    Real* sum = reinterpret_cast<Real*>(scratch + kBlock * column_bytes);
    for (size_t chunk = 0; chunk < chunks.size(); ++chunk) {
      const Transposed panel = transpose_chunk<Real>(chunks[chunk], first, count, scratch, column_bytes);
      const bool last = chunk + 1 == chunks.size();
      const bool adds = chunk > 0;
      const Chunk next = !last ? chunks[chunk + 1] : following.empty() ? Chunk() : following[0];
      const int64_t next_first = last ? next_block * kBlock : first;
      for (const RowTile& tile : tiles) {
        const auto t = static_cast<size_t>(&tile - base);
        Real* c = sums ? sum + (tile.first - tiles.front().first) * kLdc : sum;
        for (int64_t p = 0; p < count; ++p) {
          std::array<Segment, kMaxTerms> segments;
          for (size_t i = 0; i < chunks[chunk].size(); ++i) {
            const Piece& piece = chunks[chunk][i];
            segments[i] = dy.segment(t, piece.term.at + piece.first * kPanel, piece.count * kPanel, panel[static_cast<size_t>(p)][i],
                                     piece.term.w.store);
            if (i >= next.size() || next[i].count < piece.count) continue;
            segments[i].ahead =
                share_of(next[i].block(next_first * kPanel), next[i].block_bytes(std::min(kBlock, columns - next_first)),
                         next[i].term.w.panel_bytes(), (&tile - tiles.data()) * count + p, static_cast<int64_t>(tiles.size()) * count);
          }
          primitives<Real>().tile(dy.math(), tile.rows, segments.data(), static_cast<int>(chunks[chunk].size()), c + p * kPanel, kLdc,
                                  adds);
        }
        if (last) done(tile, first * kPanel, count, c, kLdc);
      }
    }
  });
}

template <class Real>
void add_outer(std::span<const int64_t> offsets, const Rows<Real>& left, int64_t m, const Rows<Real>& right, int64_t n,
               const std::function<Target<Real>(int64_t group)>& out) {
  HELLORA_CHECK(left.index == nullptr, "the left rows of an outer product lie one after the other");
  const auto groups = static_cast<int64_t>(offsets.size()) - 1;
  const int64_t panels = (n + kPanel - 1) / kPanel;
  const Primitives<Real>& prim = primitives<Real>();
  const WeightType store = sizeof(Real) == 8 ? WeightType::f64 : WeightType::f32;
  const std::array<int64_t, 2> whole = {0, m};
  const std::vector<RowTile> parts = cut_rows(whole, prim.tile_rows(Math::full));
#pragma omp parallel for schedule(dynamic)
  for (int64_t task = 0; task < groups * panels; ++task) {
    const int64_t group = task / panels, column = task % panels * kPanel,
                  rows = offsets[static_cast<size_t>(group) + 1] - offsets[static_cast<size_t>(group)];
    const Target<Real> target = out(group);
    if (rows == 0 || target.data == nullptr) continue;
    const int64_t width = std::min(kPanel, n - column), first = offsets[static_cast<size_t>(group)];
    Real* panel = own_scratch().template get_as<Real>(rows * kPanel);
    for (int64_t r = 0; r < rows; ++r) {
      const Real* source = right.row(first + r) + column;
      std::copy(source, source + width, panel + r * kPanel);
      std::fill(panel + r * kPanel + width, panel + (r + 1) * kPanel, Real{0});
    }
    alignas(64) std::array<Real, static_cast<size_t>(kMaxTileRows) * kPanel> c;
    for (const RowTile& part : parts) {
      const Segment segment{left.row(first) + part.first, left.step, panel, store, rows};
      prim.tile(Math::full, part.rows, &segment, 1, c.data(), kPanel, false);
      for (int64_t i = 0; i < part.rows && part.first + i < target.rows; ++i) {
        Real* row = target.data + (part.first + i) * target.row + column * target.column;
        for (int64_t j = 0; j < width; ++j) row[j * target.column] += target.scale * c[static_cast<size_t>(i * kPanel + j)];
      }
    }
  }
}

template class Operand<float>;
template class Operand<double>;
template void multiply_forward<float>(const Operand<float>&, int64_t, const TermsOf&, Sequence, const TileDone<float>&);
template void multiply_forward<double>(const Operand<double>&, int64_t, const TermsOf&, Sequence, const TileDone<double>&);
template void multiply_backward<float>(const Operand<float>&, int64_t, const TermsOf&, Sequence, const TileDone<float>&);
template void multiply_backward<double>(const Operand<double>&, int64_t, const TermsOf&, Sequence, const TileDone<double>&);
template void add_outer<float>(std::span<const int64_t>, const Rows<float>&, int64_t, const Rows<float>&, int64_t,
                               const std::function<Target<float>(int64_t)>&);
template void add_outer<double>(std::span<const int64_t>, const Rows<double>&, int64_t, const Rows<double>&, int64_t,
                                const std::function<Target<double>(int64_t)>&);

}  // namespace hellora::kernels
