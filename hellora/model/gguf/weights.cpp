#include "hellora/model/gguf/weights.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <map>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/io/gguf_blocks.h"
#include "hellora/io/safetensors.h"
#include "hellora/kernels/bf16.h"

namespace hellora {
namespace {

constexpr int64_t kChunk = int64_t{1} << 16;  // elements that a thread works on at a time

/// A tensor as it is written, and the first row that cannot be.
class Target {
 public:
  Target(int64_t count, bool fp32) : fp32_(fp32), bytes_(static_cast<size_t>(count) * (fp32 ? 4 : 2)), bad_(count) {}
  std::span<const std::byte> bytes() const { return bytes_; }
  int64_t bad() const { return bad_; }  // the first element that is not finite; the count when all are

  void put(int64_t at, const float* values, int64_t count) {
    std::byte* place = bytes_.data() + at * (fp32_ ? 4 : 2);
    for (int64_t i = 0; i < count; ++i) {
      const uint16_t half = kernels::round_bf16(values[i]);
      if (!std::isfinite(fp32_ ? values[i] : kernels::widen_bf16(half))) note(at + i);
      if (!fp32_) std::memcpy(place + 2 * i, &half, 2);
    }
    if (fp32_) std::memcpy(place, values, static_cast<size_t>(count) * 4);
  }

 private:
  void note(int64_t element) {
    int64_t before = bad_.load();
    while (element < before && !bad_.compare_exchange_weak(before, element)) {
    }
  }

  const bool fp32_;
  std::vector<std::byte> bytes_;
  std::atomic<int64_t> bad_;
};

std::vector<float> values_of(const GgufFile& file, const GgufTensor& tensor, int64_t first, int64_t count) {
  std::vector<float> out(static_cast<size_t>(count));
  dequantise(tensor.type, file.bytes(tensor, first, count), out);
  return out;
}

/// A vector's elements are its rows, though blocks go over them.
void fill_vector(const GgufFile& file, const GgufPlace& place, Target& target) {
  const std::vector<float> values = values_of(file, *place.tensor, place.first, place.width);
  for (int64_t i = 0; i < place.width; ++i) {
    target.put(place.paired_rows > 0 ? unpaired_row(i, place.paired_rows) : i, &values[static_cast<size_t>(i)], 1);
  }
}

void fill_matrix(const GgufFile& file, const GgufPlace& place, Target& target) {
  const int64_t step = std::max<int64_t>(1, kChunk / place.width), chunks = (place.rows + step - 1) / step;
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < chunks; ++c) {
    const int64_t begin = c * step, rows = std::min(step, place.rows - begin);
    const int64_t first = place.first + begin * place.width, count = rows * place.width;
    const std::vector<float> values = values_of(file, *place.tensor, first, count);
    for (int64_t r = begin; r < begin + rows; ++r) {
      const int64_t to = place.paired_rows > 0 ? unpaired_row(r, place.paired_rows) : r;
      target.put(to * place.width, &values[static_cast<size_t>((r - begin) * place.width)], place.width);
    }
    file.drop(*place.tensor, first, count);
  }
}

/// kv_b again: in each head first the keys' rows, which are stored as columns, then the values'.
void fill_split_kv(const GgufFile& file, const GgufPlace& place, Target& target) {
  const int64_t heads = place.tensor->sizes[0], rank = place.tensor->sizes[1], nope = place.tensor->sizes[2];
  const int64_t value = place.values->sizes[1];
  std::vector<float> row(static_cast<size_t>(rank));
  for (int64_t h = 0; h < heads; ++h) {
    const std::vector<float> keys = values_of(file, *place.tensor, h * rank * nope, rank * nope);
    const std::vector<float> values = values_of(file, *place.values, h * value * rank, value * rank);
    for (int64_t r = 0; r < nope; ++r) {
      for (int64_t i = 0; i < rank; ++i) row[static_cast<size_t>(i)] = keys[static_cast<size_t>(i * nope + r)];
      target.put((h * (nope + value) + r) * rank, row.data(), rank);
    }
    target.put((h * (nope + value) + nope) * rank, values.data(), value * rank);
  }
}

void require_finite(const GgufFile& file, const GgufPlace& place, const Target& target) {
  if (target.bad() == place.rows * place.width) return;
  const int64_t row = place.rows > 1 ? target.bad() / place.width : target.bad();
  throw CheckFailed(file.path().string() + ": tensor " + dump_json(place.tensor->name) + ", row " + std::to_string(row) + " of " +
                    place.parameter + ": a value is not finite");
}

}  // namespace

void write_gguf_weights(const GgufFile& file, std::span<const GgufPlace> places, const Path& out, bool fp32) {
  std::vector<TensorInfo> infos;
  std::map<std::string_view, const GgufPlace*> by_name;
  for (const GgufPlace& place : places) {
    infos.push_back({.name = place.parameter, .dtype = fp32 ? Dtype::f32 : Dtype::bf16, .shape = place.sizes});
    by_name[place.parameter] = &place;
  }
  SafetensorsWriter writer(out, std::move(infos), {{"format", "pt"}});
  for (const TensorInfo& info : writer.order()) {
    const GgufPlace& place = *by_name.at(info.name);
    Target target(place.rows * place.width, fp32);
    if (place.values != nullptr) {
      fill_split_kv(file, place, target);
    } else if (place.rows == 1) {
      fill_vector(file, place, target);
    } else {
      fill_matrix(file, place, target);
    }
    require_finite(file, place, target);
    writer.append(info.name, target.bytes());
  }
  writer.commit();
}

}  // namespace hellora
