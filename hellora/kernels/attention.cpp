#include "hellora/kernels/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "hellora/kernels/grouped.h"

namespace hellora::kernels {
namespace {

constexpr int64_t kRows = 64;   // of a block: shares each panel that it reads
constexpr int64_t kKeys = 256;  // columns of a block of scores: small enough for the L2 cache, large enough to add up rarely

template <class Real>
constexpr WeightType kStoreOf = sizeof(Real) == 8 ? WeightType::f64 : WeightType::f32;

/// Memory of one task, handed out front to back.
class Arena {
 public:
  explicit Arena(Scratch& scratch, int64_t bytes) : at_(scratch.get(static_cast<size_t>(bytes))) {}
  template <class T>
  T* take(int64_t count) {
    std::byte* own = at_;
    at_ += round_up(count * static_cast<int64_t>(sizeof(T)), 64);
    return reinterpret_cast<T*>(own);
  }

 private:
  std::byte* at_;
};

/// One head of a document, its vectors as both factors of a product: `rows` (n: rows, k: width) and `columns` (n: width, k: rows).
struct Factor {
  Packed rows, columns;
};

/// A task, one document and one key head, and the operations that its steps share.
template <class Real>
struct Work {
  Math math;
  const AttentionShape& shape;
  RowRange document;
  const Primitives<Real>& prim = primitives<Real>();

  WeightType store() const { return math == Math::bf16 ? WeightType::bf16 : kStoreOf<Real>; }

  Factor make_factor(Heads<const Real> source, int64_t head, int64_t width, Arena& arena) const {
    const int64_t length = document.length;
    Packed rows{nullptr, store(), length, width}, columns{nullptr, store(), width, length};
    std::byte* out = arena.take<std::byte>(rows.bytes());
    std::byte* out_columns = arena.take<std::byte>(columns.bytes());
    rows.data = out;
    columns.data = out_columns;
    std::array<const Real*, kPanel> pointers{};
    for (int64_t p = 0; p < rows.panels(); ++p) {
      const int64_t count = std::min(kPanel, length - p * kPanel);
      for (int64_t i = 0; i < count; ++i) pointers[static_cast<size_t>(i)] = source.at(document.start + p * kPanel + i, head);
      prim.panel(math, static_cast<int>(count), pointers.data(), width, rows.padded_k(), out + p * rows.panel_bytes());
    }
    for (int64_t p = 0; p < columns.panels(); ++p)
      prim.transpose(rows, p * kPanel, 0, rows.panels(), out_columns + p * columns.panel_bytes());
    return {rows, columns};
  }

  /// Strips of a block's rows, one tile behind the other; row(i) points to k values.
  template <class Row>
  void pack_block(std::span<const RowTile> tiles, const Row& row, int64_t k, int64_t padded_k, std::byte* strips) const {
    std::array<const Real*, kMaxTileRows> pointers{};
    for (const RowTile& tile : tiles) {
      for (int64_t i = 0; i < tile.rows; ++i) pointers[static_cast<size_t>(i)] = row(tile.first + i);
      prim.pack(math, tile.rows, pointers.data(), k, padded_k, strips + tile.first * padded_k * store_bytes(store()));
    }
  }

  /// c (block rows, 32 · panels) = strips · panels [first, first + panels) of w, over its columns [k_from, k_from + k).
  void multiply(std::span<const RowTile> tiles, const std::byte* strips, const Packed& w, int64_t first, int64_t panels, int64_t k_from,
                int64_t k, Real* c, int64_t ldc, bool add) const {
    for (const RowTile& tile : tiles) {
      const std::byte* a = strips + tile.first * k * store_bytes(store());
      for (int64_t p = 0; p < panels; ++p) {
        const Segment segment{a, tile.rows, w.panel(first + p) + k_from * kPanel * store_bytes(w.store), w.store, k};
        prim.tile(math, tile.rows, &segment, 1, c + tile.first * ldc + p * kPanel, ldc, add);
      }
    }
  }

  std::vector<RowTile> tiles_of(int64_t count) const {
    const std::array<int64_t, 2> offsets = {0, count};
    return cut_rows(offsets, prim.tile_rows(math));
  }
  int64_t strip_bytes(int64_t k) const { return kRows * k * store_bytes(store()); }
  int64_t factor_bytes(int64_t width) const { return 2 * (padded(document.length) * padded(width) * store_bytes(store()) + 64); }
};

/// Part of a block of scores.
struct Seen {
  int64_t begin, end;
};

/// Which of the keys [first, first + keys) row `row` of a document sees, counted from `first`.
Seen seen_keys(const AttentionShape& s, int64_t row, int64_t first, int64_t keys) {
  const int64_t lowest = s.window > 0 ? row - s.window + 1 : 0;
  return {std::clamp<int64_t>(lowest - first, 0, keys), std::clamp<int64_t>(row + 1 - first, 0, keys)};
}

/// Which of the rows [first, first + rows) of a document of `length` rows see key `key`.
Seen seeing_rows(const AttentionShape& s, int64_t length, int64_t key, int64_t first, int64_t rows) {
  const int64_t behind = s.window > 0 ? std::min(length, key + s.window) : length;
  return {std::clamp<int64_t>(key - first, 0, rows), std::clamp<int64_t>(behind - first, 0, rows)};
}

/// Zeros before and behind [begin, end) of a row of scores.
template <class Real>
void clear_outside(Real* row, int64_t begin, int64_t end, int64_t width) {
  std::fill(row, row + begin, Real{0});
  std::fill(row + end, row + width, Real{0});
}

Scratch& own_scratch() {
  static thread_local Scratch scratch;
  return scratch;
}

/// Runs body(work, key head) for every document and key head.
template <class Real, class Body>
void for_tasks(Math math, const AttentionShape& shape, std::span<const RowRange> documents, const Body& body) {
  const auto tasks = static_cast<int64_t>(documents.size()) * shape.key_heads;
#pragma omp parallel for schedule(dynamic)
  for (int64_t t = 0; t < tasks; ++t) {
    body(Work<Real>{math, shape, documents[static_cast<size_t>(t / shape.key_heads)]}, t % shape.key_heads);
  }
}

template <class Real>
void forward_head(const Work<Real>& work, Heads<const Real> q, int64_t head, const Factor& k, const Factor& v, Heads<Real> out, Real* lse,
                  Arena arena) {
  const AttentionShape& s = work.shape;
  const int64_t padded_c = padded(s.width), padded_w = padded(s.value_width), start = work.document.start;
  auto* q_strips = arena.take<std::byte>(work.strip_bytes(padded_c));
  auto* p_strips = arena.take<std::byte>(work.strip_bytes(kKeys));
  Real* scores = arena.take<Real>(kRows * kKeys);
  Real* sums = arena.take<Real>(kRows * padded_w);
  for (int64_t first = 0; first < work.document.length; first += kRows) {
    const int64_t count = std::min(kRows, work.document.length - first), last = first + count;
    const std::vector<RowTile> tiles = work.tiles_of(count);
    work.pack_block(
        tiles, [&](int64_t i) { return q.at(start + first + i, head); }, s.width, padded_c, q_strips);
    std::fill(sums, sums + count * padded_w, Real{0});
    std::array<Real, kRows> top, total{};
    top.fill(-std::numeric_limits<Real>::infinity());
    const int64_t seen = s.window > 0 ? std::max<int64_t>(0, first - s.window + 1) : 0;
    for (int64_t key = seen / kPanel * kPanel; key < last; key += kKeys) {
      const int64_t keys = std::min(kKeys, padded(last - key));
      work.multiply(tiles, q_strips, k.rows, key / kPanel, keys / kPanel, 0, padded_c, scores, kKeys, false);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t row = first + i;
        const auto [begin, end] = seen_keys(s, row, key, keys);
        Real* own = scores + i * kKeys;
        clear_outside(own, begin, end, keys);
        if (begin >= end) continue;
        const auto at = static_cast<size_t>(i);
        const Real factor = work.prim.softmax_step(own + begin, end - begin, static_cast<Real>(s.scale), &top[at], &total[at]);
        if (factor != 1) {
          for (int64_t c = 0; c < padded_w; ++c) sums[i * padded_w + c] *= factor;
        }
      }
      work.pack_block(
          tiles, [&](int64_t i) { return scores + i * kKeys; }, keys, keys, p_strips);
      work.multiply(tiles, p_strips, v.columns, 0, padded_w / kPanel, key, keys, sums, padded_w, true);
    }
    for (int64_t i = 0; i < count; ++i) {
      const Real whole = total[static_cast<size_t>(i)];
      Real* to = out.at(start + first + i, head);
      for (int64_t c = 0; c < s.value_width; ++c) to[c] = sums[i * padded_w + c] / whole;
      lse[head * s.rows + start + first + i] = top[static_cast<size_t>(i)] + std::log(whole);
    }
  }
}

/// What the backward pass knows of one query head: its factors, and per row lse and Σ dout · out.
template <class Real>
struct Head {
  int64_t head;
  Factor q, dout;
  const Real *lse, *delta;
};

template <class Real>
struct Buffers {
  std::byte *left, *right, *p;
  Real *scores, *dp, *sum, *sum_right;

  Buffers(const Work<Real>& work, Arena& arena) {
    const int64_t widest = padded(std::max(work.shape.width, work.shape.value_width));
    left = arena.take<std::byte>(work.strip_bytes(widest));
    right = arena.take<std::byte>(work.strip_bytes(widest));
    p = arena.take<std::byte>(work.strip_bytes(kKeys));
    scores = arena.take<Real>(kRows * kKeys);
    dp = arena.take<Real>(kRows * kKeys);
    sum = arena.take<Real>(kRows * widest);
    sum_right = arena.take<Real>(kRows * widest);
  }
};

/// dq of one head, by blocks of its rows.
template <class Real>
void backward_rows(const Work<Real>& work, const Head<Real>& h, const Factor& k, const Factor& v, Heads<const Real> q,
                   Heads<const Real> dout, Heads<Real> dq, const Buffers<Real>& b) {
  const AttentionShape& s = work.shape;
  const int64_t padded_c = padded(s.width), padded_w = padded(s.value_width), start = work.document.start;
  for (int64_t first = 0; first < work.document.length; first += kRows) {
    const int64_t count = std::min(kRows, work.document.length - first), last = first + count;
    const std::vector<RowTile> tiles = work.tiles_of(count);
    work.pack_block(
        tiles, [&](int64_t i) { return q.at(start + first + i, h.head); }, s.width, padded_c, b.left);
    work.pack_block(
        tiles, [&](int64_t i) { return dout.at(start + first + i, h.head); }, s.value_width, padded_w, b.right);
    std::fill(b.sum, b.sum + count * padded_c, Real{0});
    const int64_t seen = s.window > 0 ? std::max<int64_t>(0, first - s.window + 1) : 0;
    for (int64_t key = seen / kPanel * kPanel; key < last; key += kKeys) {
      const int64_t keys = std::min(kKeys, padded(last - key));
      work.multiply(tiles, b.left, k.rows, key / kPanel, keys / kPanel, 0, padded_c, b.scores, kKeys, false);
      work.multiply(tiles, b.right, v.rows, key / kPanel, keys / kPanel, 0, padded_w, b.dp, kKeys, false);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t row = first + i;
        const auto [begin, end] = seen_keys(s, row, key, keys);
        std::array<Real, kKeys> lse, delta;
        std::fill_n(lse.data(), end - begin, h.lse[row]);
        std::fill_n(delta.data(), end - begin, h.delta[row]);
        work.prim.softmax_backward(b.scores + i * kKeys + begin, b.dp + i * kKeys + begin, lse.data(), delta.data(), end - begin,
                                   static_cast<Real>(s.scale));
        clear_outside(b.dp + i * kKeys, begin, end, keys);
      }
      work.pack_block(
          tiles, [&](int64_t i) { return b.dp + i * kKeys; }, keys, keys, b.p);
      work.multiply(tiles, b.p, k.columns, 0, padded_c / kPanel, key, keys, b.sum, padded_c, true);
    }
    for (int64_t i = 0; i < count; ++i) std::copy_n(b.sum + i * padded_c, s.width, dq.at(start + first + i, h.head));
  }
}

/// What one query head adds to dk and dv of its key head, by blocks of keys: the scores are computed again the other way round,
/// which costs two products more than transposing them, and needs no sums over blocks of rows.
template <class Real>
void backward_keys(const Work<Real>& work, const Head<Real>& h, int64_t key_head, const AttentionInputs<Real>& in, Heads<Real> dk,
                   Heads<Real> dv, const Buffers<Real>& b) {
  const AttentionShape& s = work.shape;
  const int64_t padded_c = padded(s.width), padded_w = padded(s.value_width), start = work.document.start, length = work.document.length;
  for (int64_t first = 0; first < length; first += kRows) {
    const int64_t count = std::min(kRows, length - first);
    const std::vector<RowTile> tiles = work.tiles_of(count);
    work.pack_block(
        tiles, [&](int64_t i) { return in.k.at(start + first + i, key_head); }, s.width, padded_c, b.left);
    work.pack_block(
        tiles, [&](int64_t i) { return in.v.at(start + first + i, key_head); }, s.value_width, padded_w, b.right);
    std::fill(b.sum, b.sum + count * padded_c, Real{0});
    std::fill(b.sum_right, b.sum_right + count * padded_w, Real{0});
    const int64_t last = s.window > 0 ? std::min(length, first + count - 1 + s.window) : length;
    for (int64_t row = first / kPanel * kPanel; row < last; row += kKeys) {
      const int64_t rows = std::min(kKeys, padded(last - row));
      work.multiply(tiles, b.left, h.q.rows, row / kPanel, rows / kPanel, 0, padded_c, b.scores, kKeys, false);
      work.multiply(tiles, b.right, h.dout.rows, row / kPanel, rows / kPanel, 0, padded_w, b.dp, kKeys, false);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t key = first + i;
        const auto [begin, end] = seeing_rows(s, length, key, row, rows);
        work.prim.softmax_backward(b.scores + i * kKeys + begin, b.dp + i * kKeys + begin, h.lse + row + begin, h.delta + row + begin,
                                   end - begin, static_cast<Real>(s.scale));
        clear_outside(b.scores + i * kKeys, begin, end, rows);
        clear_outside(b.dp + i * kKeys, begin, end, rows);
      }
      work.pack_block(
          tiles, [&](int64_t i) { return b.scores + i * kKeys; }, rows, rows, b.p);
      work.multiply(tiles, b.p, h.dout.columns, 0, padded_w / kPanel, row, rows, b.sum_right, padded_w, true);
      work.pack_block(
          tiles, [&](int64_t i) { return b.dp + i * kKeys; }, rows, rows, b.p);
      work.multiply(tiles, b.p, h.q.columns, 0, padded_c / kPanel, row, rows, b.sum, padded_c, true);
    }
    for (int64_t i = 0; i < count; ++i) {
      work.prim.axpy(1, b.sum + i * padded_c, s.width, dk.at(start + first + i, key_head));
      work.prim.axpy(1, b.sum_right + i * padded_w, s.value_width, dv.at(start + first + i, key_head));
    }
  }
}

}  // namespace

template <class Real>
void attention_forward(Math math, const AttentionShape& shape, std::span<const RowRange> documents, const AttentionInputs<Real>& in,
                       Heads<Real> out, Real* lse) {
  for_tasks<Real>(math, shape, documents, [&](const Work<Real>& work, int64_t key_head) {
    const int64_t widest = padded(std::max(shape.width, shape.value_width)), block = kRows * (2 * widest + 2 * kKeys) + 64;
    Arena arena(own_scratch(), 2 * work.factor_bytes(widest) + block * static_cast<int64_t>(sizeof(Real)));
    const Factor k = work.make_factor(in.k, key_head, shape.width, arena), v = work.make_factor(in.v, key_head, shape.value_width, arena);
    const int64_t group = shape.heads / shape.key_heads;
    for (int64_t h = key_head * group; h < (key_head + 1) * group; ++h) forward_head(work, in.q, h, k, v, out, lse, arena);
  });
}

template <class Real>
void attention_backward(Math math, const AttentionShape& shape, std::span<const RowRange> documents, const AttentionInputs<Real>& in,
                        Heads<const Real> out, Heads<const Real> dout, const Real* lse, Heads<Real> dq, Heads<Real> dk, Heads<Real> dv) {
  for_tasks<Real>(math, shape, documents, [&](const Work<Real>& work, int64_t key_head) {
    const RowRange document = work.document;
    const int64_t widest = padded(std::max(shape.width, shape.value_width));
    const int64_t reals = kRows * (4 * widest + 3 * kKeys) + document.length + 256;
    Arena arena(own_scratch(), 4 * work.factor_bytes(widest) + reals * static_cast<int64_t>(sizeof(Real)));
    const Factor k = work.make_factor(in.k, key_head, shape.width, arena), v = work.make_factor(in.v, key_head, shape.value_width, arena);
    const Buffers<Real> buffers(work, arena);
    Real* delta = arena.take<Real>(document.length);
    const int64_t group = shape.heads / shape.key_heads;
    for (int64_t h = key_head * group; h < (key_head + 1) * group; ++h) {
      Arena own = arena;
      for (int64_t i = 0; i < document.length; ++i) {
        const Real *x = out.at(document.start + i, h), *dx = dout.at(document.start + i, h);
        Real sum = 0;
        for (int64_t c = 0; c < shape.value_width; ++c) sum += x[c] * dx[c];
        delta[i] = sum;
      }
      const Head<Real> head{h, work.make_factor(in.q, h, shape.width, own), work.make_factor(dout, h, shape.value_width, own),
                            lse + h * shape.rows + document.start, delta};
      backward_rows(work, head, k, v, in.q, dout, dq, buffers);
      backward_keys(work, head, key_head, in, dk, dv, buffers);
    }
  });
}

template void attention_forward<float>(Math, const AttentionShape&, std::span<const RowRange>, const AttentionInputs<float>&, Heads<float>,
                                       float*);
template void attention_backward<float>(Math, const AttentionShape&, std::span<const RowRange>, const AttentionInputs<float>&,
                                        Heads<const float>, Heads<const float>, const float*, Heads<float>, Heads<float>, Heads<float>);
template void attention_forward<double>(Math, const AttentionShape&, std::span<const RowRange>, const AttentionInputs<double>&,
                                        Heads<double>, double*);
template void attention_backward<double>(Math, const AttentionShape&, std::span<const RowRange>, const AttentionInputs<double>&,
                                         Heads<const double>, Heads<const double>, const double*, Heads<double>, Heads<double>,
                                         Heads<double>);

}  // namespace hellora::kernels
