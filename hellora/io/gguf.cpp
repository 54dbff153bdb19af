#include "hellora/io/gguf.h"

#include <algorithm>
#include <bit>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/utf8.h"

namespace hellora {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kMaxName = 65535, kMaxAlignment = uint64_t{1} << 20;
constexpr uint32_t kMaxSizes = 4;
constexpr uint64_t kLeastTensor = 8 + 4 + 8 + 4 + 8, kLeastValue = 8 + 4 + 1;  // bytes of a description, and of a key with its value

std::string tensor_place(const std::string& path, std::string_view name) { return path + ": tensor " + dump_json(name); }

uint32_t read_version(GgufCursor& cursor) {
  const std::string& path = cursor.path();
  if (cursor.left() < 24 || cursor.take(4, "the header").front() != std::byte{'G'}) {
    throw FormatError(path + ": not a GGUF file; expected one that begins with \"GGUF\" and a header of 24 bytes");
  }
  const uint32_t version = cursor.u32("the version");
  if (version == 2 || version == 3) return version;
  const uint32_t swapped = std::rotl(version & 0xFF00FF00U, 8) | std::rotr(version & 0x00FF00FFU, 8);
  const bool big = swapped > 0 && swapped < 256;
  throw FormatError(path + ": GGUF version " + std::to_string(big ? swapped : version) + (big ? ", big endian," : "") +
                    " is not read; expected version 2 or 3, little endian");
}

uint64_t read_count(GgufCursor& cursor, std::string_view what, uint64_t least) {
  const uint64_t count = cursor.u64(what);
  if (count > cursor.left() / least) {
    throw FormatError(std::string(cursor.path()).append(": ").append(what) + " is " + std::to_string(count) +
                      ", more than the file has room for; it is cut off or damaged");
  }
  return count;
}

}  // namespace

int64_t GgufTensor::count() const {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  return count;
}

GgufFile::GgufFile(const Path& path) : path_(path), map_(path) {
  const std::string name = path.string();
  metadata_.set_path(name);
  GgufCursor cursor(map_.bytes(), name);
  if (map_.bytes().size() >= kMagic.size() &&
      std::string_view(reinterpret_cast<const char*>(map_.bytes().data()), kMagic.size()) != kMagic) {
    throw FormatError(name + ": not a GGUF file; expected one that begins with \"GGUF\"");
  }
  version_ = read_version(cursor);
  const uint64_t tensors = read_count(cursor, "the number of tensors", kLeastTensor);
  const uint64_t values = read_count(cursor, "the number of metadata keys", kLeastValue);
  for (uint64_t i = 0; i < values; ++i) {
    const std::string_view key = cursor.text("a metadata key", kMaxName);
    if (key.empty() || !is_utf8(key)) throw FormatError(name + ": metadata key " + std::to_string(i) + " is empty or no valid UTF-8");
    metadata_.add(key, cursor.value(key));
  }
  alignment_ = static_cast<uint64_t>(metadata_.integer_or("general.alignment", 32, 1, kMaxAlignment));
  if (!std::has_single_bit(alignment_)) throw FormatError(metadata_.where("general.alignment") + " must be a power of two");
  for (uint64_t i = 0; i < tensors; ++i) tensors_.push_back(read_tensor(cursor));
  place_tensors((cursor.place() + alignment_ - 1) / alignment_ * alignment_);
}

GgufTensor GgufFile::read_tensor(GgufCursor& cursor) const {
  GgufTensor tensor;
  tensor.name = std::string(cursor.text("a tensor's name", kMaxName));
  const std::string where = tensor_place(cursor.path(), tensor.name);
  if (tensor.name.empty() || !is_utf8(tensor.name)) throw FormatError(where + ": the name is empty or no valid UTF-8");
  const uint32_t sizes = cursor.u32("a tensor's sizes");
  if (sizes < 1 || sizes > kMaxSizes) throw FormatError(where + ": " + std::to_string(sizes) + " dimensions; expected 1 to 4");
  uint64_t count = 1;
  for (uint32_t i = 0; i < sizes; ++i) {
    const uint64_t size = cursor.u64("a tensor's sizes");
    if (size == 0 || size > INT64_MAX || __builtin_mul_overflow(count, size, &count) || count > INT64_MAX / 8) {
      throw FormatError(where + ": sizes are zero, or their product does not fit into 60 bits");
    }
    tensor.sizes.insert(tensor.sizes.begin(), static_cast<int64_t>(size));
  }
  const GgufBlock& block = find_block(cursor.u32("a tensor's type"), where);
  tensor.type = block.type;
  if (tensor.sizes.back() % block.elements != 0) {
    throw FormatError(where + ": rows of " + std::to_string(tensor.sizes.back()) + " elements; " + std::string(block.name) +
                      " has blocks of " + std::to_string(block.elements));
  }
  tensor.begin = cursor.u64("a tensor's offset");  // of the data part; place_tensors makes it one of the file
  if (tensor.begin % alignment_ != 0) {
    throw FormatError(where + ": offset " + std::to_string(tensor.begin) + " is no multiple of the alignment " +
                      std::to_string(alignment_));
  }
  tensor.end = count / static_cast<uint64_t>(block.elements) * block.bytes;  // its length, until the place is known
  return tensor;
}

void GgufFile::place_tensors(uint64_t data_start) {
  const uint64_t size = map_.bytes().size();
  for (GgufTensor& tensor : tensors_) {
    const std::string where = tensor_place(path_.string(), tensor.name);
    if (__builtin_add_overflow(tensor.begin, data_start, &tensor.begin) || __builtin_add_overflow(tensor.begin, tensor.end, &tensor.end) ||
        tensor.end > size) {
      throw FormatError(where + ": its bytes end beyond the file's " + std::to_string(size) + "; it is cut off or damaged");
    }
  }
  std::sort(tensors_.begin(), tensors_.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < tensors_.size(); ++i) {
    if (tensors_[i].begin < tensors_[i - 1].end) {
      throw FormatError(tensor_place(path_.string(), tensors_[i].name) + ": overlaps tensor " + dump_json(tensors_[i - 1].name));
    }
  }
  std::sort(tensors_.begin(), tensors_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (size_t i = 1; i < tensors_.size(); ++i) {
    if (tensors_[i].name == tensors_[i - 1].name) throw FormatError(tensor_place(path_.string(), tensors_[i].name) + " is there twice");
  }
}

const GgufTensor* GgufFile::find(const std::string& name) const {
  const auto it = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const GgufTensor& tensor, const std::string& wanted) { return tensor.name < wanted; });
  return it != tensors_.end() && it->name == name ? &*it : nullptr;
}

std::span<const std::byte> GgufFile::bytes(const GgufTensor& tensor, int64_t first, int64_t count) const {
  const GgufBlock& block = block_of(tensor.type);
  HELLORA_CHECK(first >= 0 && count >= 0 && first % block.elements == 0 && count % block.elements == 0 && first + count <= tensor.count(),
                "elements are not whole blocks of the tensor " + tensor.name);
  const auto place = [&](int64_t elements) { return static_cast<size_t>(elements / block.elements) * block.bytes; };
  return map_.bytes().subspan(static_cast<size_t>(tensor.begin) + place(first), place(count));
}

void GgufFile::drop(const GgufTensor& tensor, int64_t first, int64_t count) const {
  const auto held = bytes(tensor, first, count);
  const auto begin = static_cast<size_t>(held.data() - map_.bytes().data());
  map_.drop(begin, begin + held.size());
}

}  // namespace hellora
