#include "hellora/io/gguf_values.h"

#include <bit>
#include <charconv>
#include <cmath>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/utf8.h"

namespace hellora {
namespace {

template <class Number>
Number read(std::span<const std::byte> bytes, size_t index) {
  uint64_t bits = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) bits |= static_cast<uint64_t>(bytes[index * sizeof(Number) + i]) << (8 * i);
  if constexpr (std::is_same_v<Number, float>) {
    return std::bit_cast<float>(static_cast<uint32_t>(bits));
  } else if constexpr (std::is_same_v<Number, double>) {
    return std::bit_cast<double>(bits);
  } else {
    return static_cast<Number>(bits);
  }
}

bool is_integer(GgufKind kind) { return kind <= GgufKind::i32 || kind == GgufKind::u64 || kind == GgufKind::i64; }
bool is_number(GgufKind kind) { return is_integer(kind) || kind == GgufKind::f32 || kind == GgufKind::f64; }

/// An element of an integer kind; a number above the signed range becomes the largest, which no range allows.
int64_t integer_at(const GgufValue& value, size_t index) {
  switch (value.kind) {
    case GgufKind::u8: return read<uint8_t>(value.bytes, index);
    case GgufKind::i8: return read<int8_t>(value.bytes, index);
    case GgufKind::u16: return read<uint16_t>(value.bytes, index);
    case GgufKind::i16: return read<int16_t>(value.bytes, index);
    case GgufKind::u32: return read<uint32_t>(value.bytes, index);
    case GgufKind::i32: return read<int32_t>(value.bytes, index);
    case GgufKind::i64: return read<int64_t>(value.bytes, index);
    case GgufKind::u64: return static_cast<int64_t>(std::min<uint64_t>(read<uint64_t>(value.bytes, index), INT64_MAX));
    default: HELLORA_CHECK(false, "not an integer");
  }
}

double shortest(float value) {
  char digits[64];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), value);
  double out = value;
  if (error == std::errc()) std::from_chars(digits, end, out);
  return out;
}

double number_at(const GgufValue& value, size_t index) {
  if (value.kind == GgufKind::f32) return shortest(read<float>(value.bytes, index));
  if (value.kind == GgufKind::f64) return read<double>(value.bytes, index);
  return static_cast<double>(integer_at(value, index));
}

std::string_view text_of(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string range(double low, double high) {
  char text[96];
  std::snprintf(text, sizeof(text), "a number from %g to %g", low, high);
  return text;
}

}  // namespace

void GgufMetadata::add(std::string_view key, const GgufValue& value) {
  if (!values_.emplace(key, value).second) throw FormatError(where(key) + " is there twice");
  order_.emplace_back(key);
}

std::string GgufMetadata::where(std::string_view key) const { return path_ + ": key " + dump_json(key); }

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

void GgufMetadata::wrong(std::string_view key, std::string_view expected) const {
  throw FormatError((where(key) + " must be ").append(expected));
}

const GgufValue& GgufMetadata::take(std::string_view key, std::string_view expected) {
  asked_.emplace(key);
  const GgufValue* value = find(key);
  if (value == nullptr) throw FormatError((where(key) + " is missing; expected ").append(expected));
  return *value;
}

int64_t GgufMetadata::integer(std::string_view key, int64_t low, int64_t high) {
  const std::string expected = std::string("an integer from ").append(std::to_string(low)) + " to " + std::to_string(high);
  const GgufValue& value = take(key, expected);
  if (value.is_array || !is_integer(value.kind)) wrong(key, expected);
  const int64_t number = integer_at(value, 0);
  if (number < low || number > high) wrong(key, expected + ", found " + std::to_string(number));
  return number;
}

int64_t GgufMetadata::integer_or(std::string_view key, int64_t absent, int64_t low, int64_t high) {
  return has(key) ? integer(key, low, high) : absent;
}

double GgufMetadata::number(std::string_view key, double low, double high) {
  const GgufValue& value = take(key, range(low, high));
  if (value.is_array || !is_number(value.kind)) wrong(key, range(low, high));
  const double number = number_at(value, 0);
  if (!(number >= low && number <= high)) wrong(key, range(low, high) + ", found " + std::to_string(number));
  return number;
}

double GgufMetadata::number_or(std::string_view key, double absent, double low, double high) {
  return has(key) ? number(key, low, high) : absent;
}

bool GgufMetadata::flag_or(std::string_view key, bool absent) {
  if (!has(key)) return absent;
  const GgufValue& value = take(key, "true or false");
  if (value.is_array || value.kind != GgufKind::boolean || value.bytes[0] > std::byte{1}) wrong(key, "true or false");
  return value.bytes[0] == std::byte{1};
}

std::string_view GgufMetadata::text(std::string_view key) {
  const GgufValue& value = take(key, "a text");
  if (value.is_array || value.kind != GgufKind::text) wrong(key, "a text");
  if (!is_utf8(text_of(value.bytes))) wrong(key, "valid UTF-8");
  return text_of(value.bytes);
}

std::string_view GgufMetadata::text_or(std::string_view key, std::string_view absent) { return has(key) ? text(key) : absent; }

std::vector<std::string_view> GgufMetadata::texts(std::string_view key) {
  const GgufValue& value = take(key, "an array of texts");
  if (!value.is_array || value.kind != GgufKind::text) wrong(key, "an array of texts");
  GgufCursor cursor(value.bytes, path_);
  std::vector<std::string_view> out;
  for (uint64_t i = 0; i < value.count; ++i) {  // grows with what is there: the count alone is only a claim
    out.push_back(cursor.text(key));
    if (!is_utf8(out.back())) wrong(key, "an array of valid UTF-8, and element " + std::to_string(i) + " is none");
  }
  return out;
}

std::vector<int64_t> GgufMetadata::integers(std::string_view key) {
  const GgufValue& value = take(key, "an array of integers");
  if (!is_integer(value.kind)) wrong(key, "an array of integers");
  std::vector<int64_t> out;
  out.reserve(value.count);  // the file has been found to hold them
  for (uint64_t i = 0; i < value.count; ++i) out.push_back(integer_at(value, i));
  return out;
}

std::vector<double> GgufMetadata::numbers(std::string_view key) {
  const GgufValue& value = take(key, "an array of numbers");
  if (!is_number(value.kind)) wrong(key, "an array of numbers");
  std::vector<double> out;
  out.reserve(value.count);
  for (uint64_t i = 0; i < value.count; ++i) {
    out.push_back(number_at(value, i));
    if (!std::isfinite(out.back())) wrong(key, "an array of finite numbers, and element " + std::to_string(i) + " is none");
  }
  return out;
}

std::vector<std::string> GgufMetadata::unread() const {
  std::vector<std::string> out;
  for (const std::string& key : order_) {
    if (!asked_.contains(key)) out.push_back(key);
  }
  return out;
}

}  // namespace hellora
