// GGUF files made by tests, value by value; nothing is checked, so that they may be as wrong as a test wants.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hellora::testing {

template <class Number>
std::string little_endian(Number value) {
  std::string out;
  for (size_t i = 0; i < sizeof(value); ++i) out += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i));
  return out;
}

inline std::string gguf_text(std::string_view text) { return little_endian(uint64_t{text.size()}).append(text); }
inline std::string gguf_f32(float value) { return little_endian(std::bit_cast<uint32_t>(value)); }

class GgufBytes {
 public:
  uint32_t version = 3;
  uint64_t alignment = 32, more_tensors = 0, more_values = 0;  // more: what the header claims beyond what is there

  GgufBytes& value(std::string_view key, uint32_t kind, const std::string& bytes) {
    values_ += gguf_text(key) + little_endian(kind) + bytes;
    ++value_count_;
    return *this;
  }
  GgufBytes& number(std::string_view key, uint32_t number) { return value(key, 4, little_endian(number)); }
  GgufBytes& real(std::string_view key, float number) { return value(key, 6, gguf_f32(number)); }
  GgufBytes& flag(std::string_view key, bool flag) { return value(key, 7, std::string(1, flag ? '\1' : '\0')); }
  GgufBytes& text(std::string_view key, std::string_view text) { return value(key, 8, gguf_text(text)); }
  GgufBytes& array(std::string_view key, uint32_t kind, const std::vector<std::string>& elements) {
    std::string bytes = little_endian(kind) + little_endian(uint64_t{elements.size()});
    for (const std::string& element : elements) bytes += kind == 8 ? gguf_text(element) : element;
    return value(key, 9, bytes);
  }

  /// Sizes as torch counts them. Without `offset` the tensor follows the one before it.
  GgufBytes& tensor(std::string_view name, std::vector<uint64_t> sizes, uint32_t type, std::string_view bytes, int64_t offset = -1) {
    tensors_ += gguf_text(name) + little_endian(static_cast<uint32_t>(sizes.size()));
    for (size_t i = sizes.size(); i-- > 0;) tensors_ += little_endian(sizes[i]);
    tensors_ += little_endian(type) + little_endian(offset < 0 ? uint64_t{data_.size()} : static_cast<uint64_t>(offset));
    data_.append(bytes).resize((data_.size() + alignment - 1) / alignment * alignment, '\0');
    ++tensor_count_;
    return *this;
  }
  GgufBytes& floats(std::string_view name, std::vector<uint64_t> sizes, const std::vector<float>& values) {
    std::string bytes;
    for (const float value : values) bytes += gguf_f32(value);
    return tensor(name, std::move(sizes), 0, bytes);
  }

  std::string bytes() const {
    std::string out = "GGUF" + little_endian(version) + little_endian(tensor_count_ + more_tensors);
    out += little_endian(value_count_ + more_values) + values_ + tensors_;
    out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
    return out + data_;
  }

 private:
  std::string values_, tensors_, data_;
  uint64_t value_count_ = 0, tensor_count_ = 0;
};

}  // namespace hellora::testing
