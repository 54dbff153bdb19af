#include "hellora/io/tensorboard_reader.h"

#include <bit>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include "hellora/core/error.h"
#include "hellora/core/printable.h"
#include "hellora/core/utf8.h"
#include "hellora/io/crc32c.h"

namespace hellora {
namespace {

constexpr uint64_t kMostStep = uint64_t{1} << 60;
constexpr size_t kLongestTag = 1000, kMostTags = 100'000;
constexpr size_t kFrame = 16;  // length, its sum, and the sum of the data
constexpr std::string_view kVersion = "brain.Event:";

template <class Unsigned>
Unsigned fixed_at(std::string_view bytes, size_t at) {
  Unsigned value = 0;
  for (size_t i = 0; i < sizeof(value); ++i) value |= static_cast<Unsigned>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  return value;
}

/// The fields of one protobuf message, one after the other. Groups, which nobody writes any more, are malformed.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  /// False at the end.
  bool next() {
    if (rest_.empty()) return false;
    const uint64_t key = varint();
    field_ = key >> 3;
    wire_ = key & 7;
    number_ = 0;
    bytes_ = {};
    switch (wire_) {
      case 0: number_ = varint(); break;
      case 1: number_ = fixed_at<uint64_t>(take(8), 0); break;
      case 2: bytes_ = take(varint()); break;
      case 5: number_ = fixed_at<uint32_t>(take(4), 0); break;
      default: throw FormatError("malformed protobuf: a field of wire type " + std::to_string(wire_));
    }
    return true;
  }

  bool is(uint64_t field, uint64_t wire) const { return field_ == field && wire_ == wire; }
  uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view take(uint64_t count) {
    if (count > rest_.size()) throw FormatError("malformed protobuf: a field goes beyond its message");
    const std::string_view out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return out;
  }

  uint64_t varint() {
    uint64_t out = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      out |= shift < 64 ? static_cast<uint64_t>(byte & 0x7F) << shift : 0;
      if (byte < 0x80) return out;
    }
    throw FormatError("malformed protobuf: a number of more than ten bytes");
  }

  std::string_view rest_, bytes_;
  uint64_t field_ = 0, wire_ = 0, number_ = 0;
};

/// Summary.Value: tag = 1, simple_value = 2, histo = 5.
struct Value {
  std::string_view tag;
  TagKind kind = TagKind::other;
  double value = 0;
};

Value read_value(std::string_view bytes) {
  Value out;
  for (Message item(bytes); item.next();) {
    if (item.is(1, 2)) out.tag = item.bytes();
    if (item.is(2, 5)) {
      out.kind = TagKind::scalar;
      out.value = std::bit_cast<float>(static_cast<uint32_t>(item.number()));
    }
    if (!item.is(5, 2)) continue;
    out.kind = TagKind::histogram;
    out.value = 0;
    for (Message histogram(item.bytes()); histogram.next();) {
      if (histogram.is(3, 1)) out.value = std::bit_cast<double>(histogram.number());  // num
    }
  }
  if (out.tag.size() > kLongestTag || !is_utf8(out.tag)) throw FormatError("a tag that is no UTF-8, or longer than 1,000 bytes");
  if (!std::isfinite(out.value)) throw FormatError("tag " + printable(out.tag) + ": a value that is not finite");
  return out;
}

/// Event: step = 2, file_version = 3, summary = 5; Summary: value = 1.
struct Event {
  uint64_t step = 0;
  std::string_view version;
  std::vector<Value> values;
};

Event read_event(std::string_view data) {
  Event out;
  for (Message event(data); event.next();) {
    if (event.is(2, 0)) out.step = event.number();
    if (event.is(3, 2)) out.version = event.bytes();
    if (!event.is(5, 2)) continue;
    for (Message summary(event.bytes()); summary.next();) {
      if (summary.is(1, 2)) out.values.push_back(read_value(summary.bytes()));
    }
  }
  if (out.step > kMostStep) throw FormatError("a step that is not between 0 and 2^60");
  return out;
}

class Tags {
 public:
  void add(const Value& value, int64_t step) {
    const auto [place, is_new] = tags_.try_emplace(std::string(value.tag));
    EventTag& tag = place->second;
    if (is_new) {
      if (tags_.size() > kMostTags) throw FormatError("more than 100,000 tags");
      tag = {place->first, value.kind, 0, step, step, 0};
    }
    if (tag.kind != value.kind) throw FormatError("tag " + printable(tag.name) + " is of another kind than before");
    ++tag.records;
    tag.last_step = step;
    tag.last = value.value;
  }

  std::vector<EventTag> all() const {
    std::vector<EventTag> out;
    out.reserve(tags_.size());
    for (const auto& [name, tag] : tags_) out.push_back(tag);
    return out;
  }

 private:
  std::map<std::string, EventTag> tags_;
};

/// The data of the record at the beginning of `rest`, which is not empty.
std::string_view record_data(std::string_view rest) {
  constexpr const char* kCut = "the file ends inside of it (cut, or still being written)";
  if (rest.size() < kFrame) throw FormatError(kCut);
  if (masked_crc32c(rest.substr(0, 8)) != fixed_at<uint32_t>(rest, 8)) throw FormatError("the checksum of its length does not hold");
  const auto size = fixed_at<uint64_t>(rest, 0);
  if (size > rest.size() - kFrame) throw FormatError(kCut);
  const std::string_view data = rest.substr(12, size);
  if (masked_crc32c(data) != fixed_at<uint32_t>(rest, 12 + size)) throw FormatError("the checksum of its data does not hold");
  return data;
}

}  // namespace

EventFile read_event_file(const Path& path) {
  const MappedFile map(path);
  const std::string_view all(reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size());
  if (all.empty()) throw FormatError(path.string() + ": empty; expected a TensorBoard event file");
  EventFile out;
  Tags tags;
  for (size_t at = 0; at < all.size();) {
    try {
      const std::string_view data = record_data(all.substr(at));
      const Event event = read_event(data);
      if (at == 0 && !event.version.starts_with(kVersion)) throw FormatError("it does not name its version, as event files do");
      for (const Value& value : event.values) tags.add(value, static_cast<int64_t>(event.step));
      ++out.records;
      at += data.size() + kFrame;
    } catch (const FormatError& error) {
      throw FormatError(path.string() + ": record " + std::to_string(out.records + 1) + " at byte " + std::to_string(at) + ": " +
                        error.what());
    }
  }
  out.tags = tags.all();
  return out;
}

}  // namespace hellora
