// The metadata of a GGUF file: where each value lies, and typed reading that remembers which keys were asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hellora {

/// The numbers are those of the file.
enum class GgufKind : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

struct GgufValue {
  GgufKind kind = GgufKind::u8;      // of an array: its elements'
  std::span<const std::byte> bytes;  // of the value; of an array its elements, and of a text without its length
  uint64_t count = 1;
  bool is_array = false;
};

/// FormatError names the file, the key and what is expected, for a key that is missing, of another type or out of range.
/// Texts are valid UTF-8 and live as long as the file's map.
class GgufMetadata {
 public:
  void add(std::string_view key, const GgufValue& value);  // FormatError for a key given twice
  void set_path(std::string path) { path_ = std::move(path); }
  std::string where(std::string_view key) const;

  bool has(std::string_view key) const { return find(key) != nullptr; }
  int64_t integer(std::string_view key, int64_t low, int64_t high);
  int64_t integer_or(std::string_view key, int64_t absent, int64_t low, int64_t high);
  /// A value of fp32 as the shortest decimal number that names it: 1e-05, not 9.99999975e-06.
  double number(std::string_view key, double low, double high);
  double number_or(std::string_view key, double absent, double low, double high);
  bool flag_or(std::string_view key, bool absent);
  std::string_view text(std::string_view key);
  std::string_view text_or(std::string_view key, std::string_view absent);
  std::vector<std::string_view> texts(std::string_view key);
  std::vector<int64_t> integers(std::string_view key);  // of an array; a single value is an array of one
  std::vector<double> numbers(std::string_view key);

  void harmless(std::string_view key) { asked_.emplace(key); }  // known to change nothing
  std::vector<std::string> unread() const;                      // in the file's order

 private:
  const GgufValue* find(std::string_view key) const;
  const GgufValue& take(std::string_view key, std::string_view expected);
  [[noreturn]] void wrong(std::string_view key, std::string_view expected) const;

  std::string path_;
  std::map<std::string, GgufValue, std::less<>> values_;
  std::vector<std::string> order_;
  std::set<std::string, std::less<>> asked_;
};

/// Reads little-endian numbers and texts from a place on; FormatError where the file ends before they do.
class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, std::string path) : bytes_(bytes), path_(std::move(path)) {}
  size_t place() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }
  const std::string& path() const { return path_; }
  uint32_t u32(std::string_view what);
  uint64_t u64(std::string_view what);
  std::string_view text(std::string_view what, uint64_t longest = UINT64_MAX);  // any bytes
  std::span<const std::byte> take(uint64_t count, std::string_view what);
  /// A value with its type before it; `key` for errors.
  GgufValue value(std::string_view key);

 private:
  std::span<const std::byte> elements(GgufKind kind, uint64_t count, std::string_view key, int depth);
  std::span<const std::byte> bytes_;
  std::string path_;
  size_t at_ = 0;
};

}  // namespace hellora
