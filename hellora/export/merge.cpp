#include "hellora/export/merge.h"

#include <cmath>
#include <cstring>
#include <set>

#include "hellora/core/error.h"
#include "hellora/model/model_dir.h"
#include "hellora/model/stored.h"

namespace hellora {
namespace {

double square_sum(const Tensor& x) { return x.square().sum().item<double>(); }

/// A merge that could not be what the adapter says is refused before anything is written.
void check_mergeable(const Checkpoint& source, const ModelShape& shape, const Modules& modules) {
  std::set<std::string> held;
  for (const std::string& name : source.names()) {
    for (const Piece& piece : pieces_of(shape, name, source.info(name).shape)) held.insert(piece.module());
  }
  for (const auto& [path, module] : modules) {
    const std::string where = source.folder().string() + ": the adapter's module " + path;
    if (!held.contains(path)) throw StateError(where + " has no tensor in the model");
    if (module.site->slot == Slot::embed && shape.tied_embeddings) {
      throw StateError(where + " cannot be merged: the model's head is tied to the embedding and would change with it");
    }
  }
}

/// Squared rounding error and squared change of one module, or of all.
struct Rounding {
  double error_sq = 0, change_sq = 0;
  double loss() const { return change_sq > 0 ? std::sqrt(error_sq / change_sq) : 0; }
};

/// Where the base is not finite there is no error to speak of: the sum is what the base is.
void add_rounding(const Tensor& change, const Tensor& base, const Tensor& stored, Rounding& sum) {
  const Tensor wide = change.to(at::kDouble);
  const Tensor error = stored.to(at::kDouble) - base.to(at::kDouble) - wide;
  sum.error_sq += square_sum(at::where(at::isfinite(base), error, at::zeros({}, error.options())));
  sum.change_sq += square_sum(wide);
}

/// The elements that are not what they should be.
Tensor wrong_elements(const Tensor& expected, const Tensor& stored, const Tensor& base) {
  const Tensor both_nan = at::logical_and(at::isnan(expected), at::isnan(stored));
  const Tensor same = at::logical_or(at::eq(expected, stored), both_nan);
  return at::logical_not(at::logical_and(same, at::logical_or(at::isfinite(expected), at::logical_not(at::isfinite(base)))));
}

/// Compares one folder with the other, tensor by tensor.
class Comparison {
 public:
  Comparison(const Checkpoint& source, const ModelShape& shape, const Modules& modules, const Checkpoint& merged)
      : source_(source), shape_(shape), modules_(modules), merged_(merged) {}

  void tensor(const std::string& name) {
    if (!merged_.contains(name) || merged_.info(name).shape != source_.info(name).shape) return note_wrong(name, 0);
    for (const Piece& piece : pieces_of(shape_, name, source_.info(name).shape)) {
      const auto it = modules_.find(piece.module());
      if (it == modules_.end()) {
        untouched(name, piece);
      } else {
        adapted(name, piece, it->first, it->second);
      }
      drop_elements(source_, name, piece.first, piece.count);
      drop_elements(merged_, name, piece.first, piece.count);
    }
    ++report.tensors;
  }

  MergeReport finish() {
    for (const std::string& name : merged_.names()) {
      if (!source_.contains(name)) note_wrong(name, 0);
    }
    if (report.modules != static_cast<int64_t>(modules_.size())) note_wrong("modules missing from the model", 0);
    Rounding all;
    for (const auto& [path, one] : rounding_) {
      all.error_sq += one.error_sq;
      all.change_sq += one.change_sq;
      if (one.loss() <= report.largest_loss) continue;
      report.largest_loss = one.loss();
      report.largest_where = path;
    }
    report.rounding_loss = all.loss();
    return report;
  }

  MergeReport report;

 private:
  void untouched(const std::string& name, const Piece& piece) {
    if (merged_.info(name).dtype == source_.info(name).dtype) {
      const std::span<const std::byte> a = element_bytes(source_, name, piece.first, piece.count);
      const std::span<const std::byte> b = element_bytes(merged_, name, piece.first, piece.count);
      if (a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0) return;
    }
    const Tensor base = rows(source_, name, piece), stored = rows(merged_, name, piece);
    note_elements(name, piece, wrong_elements(base.to(stored.scalar_type()), stored, base));
  }

  void adapted(const std::string& name, const Piece& piece, const std::string& path, const Module& module) {
    const Tensor base = rows(source_, name, piece).to(at::kFloat), stored = rows(merged_, name, piece);
    const Tensor expected = module.adapted_rows(base, piece.row).to(stored.scalar_type());
    note_elements(name, piece, wrong_elements(expected, stored, base));
    const Tensor change = module.adapter->additive() ? module.adapted_rows(at::zeros_like(base), piece.row)
                                                     : module.adapted_rows(base.to(at::kDouble), piece.row) - base.to(at::kDouble);
    add_rounding(change, base, stored, rounding_[path]);
    report.modules += piece.row == 0 ? 1 : 0;
  }

  static Tensor rows(const Checkpoint& checkpoint, const std::string& name, const Piece& piece) {
    return read_elements(checkpoint, name, piece.first, piece.count).view({piece.rows(), piece.width});
  }

  void note_elements(const std::string& name, const Piece& piece, const Tensor& wrong) {
    const auto count = wrong.sum().item<int64_t>();
    if (count == 0) return;
    const auto element = wrong.flatten().to(at::kByte).argmax().item<int64_t>();
    const bool fused = !piece.parameter.empty() && piece.parameter != name;
    note_wrong(name + ", row " + std::to_string(piece.row + element / piece.width) + (fused ? " of " + piece.parameter : ""), count);
  }

  void note_wrong(const std::string& what, int64_t elements) {
    report.wrong_bytes += elements;
    if (report.first_wrong.empty()) report.first_wrong = what;
  }

  const Checkpoint& source_;
  const ModelShape& shape_;
  const Modules& modules_;
  const Checkpoint& merged_;
  std::map<std::string, Rounding> rounding_;  // by module
};

}  // namespace

void merge_model(const Checkpoint& source, const ModelShape& shape, const AdapterSet& adapters, const Path& out, bool fp32) {
  const Modules modules = modules_by_path(adapters);
  check_mergeable(source, shape, modules);
  const auto find = [&](const std::string& parameter) { return modules.find(Piece{parameter}.module()); };
  Rewrite rewrite;
  rewrite.fp32 = fp32;
  rewrite.wanted = [&](const std::string& parameter) { return find(parameter) != modules.end(); };
  rewrite.values = [&](const Piece& piece, const Tensor& base) {
    return find(piece.parameter)->second.adapted_rows(base.to(at::kFloat), piece.row);
  };
  rewrite_model(source, shape, out, rewrite);
}

MergeReport check_merged(const Checkpoint& source, const ModelShape& shape, const AdapterSet& adapters, const Checkpoint& merged) {
  const at::NoGradGuard no_grad;
  const Modules modules = modules_by_path(adapters);
  Comparison comparison(source, shape, modules, merged);
  for (const std::string& name : source.names()) comparison.tensor(name);
  return comparison.finish();
}

}  // namespace hellora
