#include <array>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/io/gguf_values.h"

namespace hellora {
namespace {

constexpr int kMaxDepth = 4;                                                        // of arrays in arrays
constexpr std::array<size_t, 13> kSizes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};  // 0: texts and arrays say their own

uint64_t little_endian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

GgufKind kind_of(uint32_t number, const std::string& where) {
  if (number >= kSizes.size()) throw FormatError(where + ": value type " + std::to_string(number) + " is not known; expected 0 to 12");
  return static_cast<GgufKind>(number);
}

}  // namespace

std::span<const std::byte> GgufCursor::take(uint64_t count, std::string_view what) {
  if (count > left()) {
    std::string message = path_ + ": the file ends inside ";
    throw FormatError(message.append(what) + ": " + std::to_string(count) + " bytes at " + std::to_string(at_) + ", " +
                      std::to_string(left()) + " are left; it is cut off or damaged");
  }
  const auto out = bytes_.subspan(at_, static_cast<size_t>(count));
  at_ += static_cast<size_t>(count);
  return out;
}

uint32_t GgufCursor::u32(std::string_view what) { return static_cast<uint32_t>(little_endian(take(4, what))); }
uint64_t GgufCursor::u64(std::string_view what) { return little_endian(take(8, what)); }

std::string_view GgufCursor::text(std::string_view what, uint64_t longest) {
  const uint64_t length = u64(what);
  if (length > longest) {
    throw FormatError(std::string(path_).append(": ").append(what) + " of " + std::to_string(length) + " bytes; expected at most " +
                      std::to_string(longest));
  }
  const auto bytes = take(length, what);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> GgufCursor::elements(GgufKind kind, uint64_t count, std::string_view key, int depth) {
  const size_t begin = at_, size = kSizes[static_cast<size_t>(kind)];
  if (size > 0) {
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(size), &bytes)) bytes = UINT64_MAX;
    return take(bytes, key);
  }
  const std::string where = path_ + ": key " + dump_json(key);
  if (depth > kMaxDepth) throw FormatError(where + ": arrays nest deeper than " + std::to_string(kMaxDepth));
  for (uint64_t i = 0; i < count; ++i) {  // ends with the file at the latest: each element has at least eight bytes
    if (kind == GgufKind::text) {
      text(key);
    } else {
      const GgufKind inner = kind_of(u32(key), where);
      elements(inner, u64(key), key, depth + 1);
    }
  }
  return bytes_.subspan(begin, at_ - begin);
}

GgufValue GgufCursor::value(std::string_view key) {
  const std::string where = path_ + ": key " + dump_json(key);
  GgufValue out;
  out.kind = kind_of(u32(key), where);
  if (out.kind == GgufKind::text) {
    const std::string_view held = text(key);
    out.bytes = std::as_bytes(std::span(held.data(), held.size()));
    return out;
  }
  if (out.kind == GgufKind::array) {
    out.is_array = true;
    out.kind = kind_of(u32(key), where);
    out.count = u64(key);
  }
  out.bytes = elements(out.kind, out.count, key, 1);
  return out;
}

}  // namespace hellora
