#include "hellora/io/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/io/crc32c.h"
#include "hellora/io/descriptor.h"

namespace hellora {
namespace {

// Protobuf by hand: field numbers from tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
enum class Wire : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

template <class Unsigned>
void put_fixed(std::string& out, Unsigned value) {
  for (size_t i = 0; i < sizeof(value); ++i) out += static_cast<char>(value >> (8 * i));
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, int field, Wire wire) { put_varint(out, static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire)); }

void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_key(out, field, Wire::bytes);
  put_varint(out, bytes.size());
  out += bytes;
}

/// Event{wall_time = 1, step = 2} without its payload.
std::string event_head(int64_t step) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string out;
  put_key(out, 1, Wire::fixed64);
  put_fixed(out, std::bit_cast<uint64_t>(now.count()));
  put_key(out, 2, Wire::varint);
  put_varint(out, static_cast<uint64_t>(step));
  return out;
}

std::string version_event() {
  std::string out = event_head(0);
  put_bytes(out, 3, "brain.Event:2");  // file_version; from 2 on a START record makes readers forget later steps
  return out;
}

std::string start_event(int64_t step) {
  std::string log, out = event_head(step);
  put_key(log, 1, Wire::varint);  // SessionLog.status = START
  put_varint(log, 1);
  put_bytes(out, 7, log);
  return out;
}

void put_double(std::string& out, int field, double value) {
  put_key(out, field, Wire::fixed64);
  put_fixed(out, std::bit_cast<uint64_t>(value));
}

/// An event with one value: its tag and what `payload` holds of Summary.Value.
std::string value_event(const std::string& tag, int64_t step, std::string_view payload) {
  std::string item, summary, out = event_head(step);
  put_bytes(item, 1, tag);
  item += payload;
  put_bytes(summary, 1, item);
  put_bytes(out, 5, summary);
  return out;
}

std::string scalar_event(const std::string& tag, int64_t step, float value) {
  std::string payload;
  put_key(payload, 2, Wire::fixed32);  // simple_value
  put_fixed(payload, std::bit_cast<uint32_t>(value));
  return value_event(tag, step, payload);
}

/// HistogramProto: min = 1, max = 2, num = 3, sum = 4, sum_squares = 5, and packed bucket_limit = 6 and bucket = 7.
std::string histogram_event(const std::string& tag, int64_t step, std::span<const int64_t> counts) {
  double number = 0, sum = 0, squares = 0;
  std::string limits, buckets, histogram, payload;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double at = static_cast<double>(i), count = static_cast<double>(counts[i]);
    number += count;
    sum += count * at;
    squares += count * at * at;
    put_fixed(limits, std::bit_cast<uint64_t>(at + 0.5));
    put_fixed(buckets, std::bit_cast<uint64_t>(count));
  }
  put_double(histogram, 1, -0.5);
  put_double(histogram, 2, static_cast<double>(counts.size()) - 0.5);
  put_double(histogram, 3, number);
  put_double(histogram, 4, sum);
  put_double(histogram, 5, squares);
  put_bytes(histogram, 6, limits);
  put_bytes(histogram, 7, buckets);
  put_bytes(payload, 5, histogram);  // histo
  return value_event(tag, step, payload);
}

/// TFRecord framing: length, its masked sum, data, its masked sum.
std::string framed(std::string_view data) {
  std::string out;
  put_fixed(out, static_cast<uint64_t>(data.size()));
  put_fixed(out, masked_crc32c(out));
  out += data;
  put_fixed(out, masked_crc32c(data));
  return out;
}

std::string event_file_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') host = {'l', 'o', 'c', 'a', 'l'};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return "events.out.tfevents." + std::to_string(seconds) + "." + host.data() + "." + std::to_string(::getpid());
}

}  // namespace

struct EventWriter::State {
  Path path;
  Descriptor file;

  void put(std::string_view data) const { write_all(file.get(), as_byte_span(framed(data)), path); }
};

EventWriter::EventWriter(const Path& folder, int64_t first_step) {
  const Path base = folder / event_file_name();
  Path path = base;
  int descriptor = -1;
  constexpr int kAttempts = 100;  // runs that start within one second in one process get a numbered name
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0 || errno != EEXIST) break;
    path = base.string() + "." + std::to_string(attempt);
  }
  if (descriptor < 0) system_error("write", path, errno);
  state_.reset(new State{path, Descriptor(descriptor)});
  state_->put(version_event());
  if (first_step > 0) state_->put(start_event(first_step));
}

EventWriter::~EventWriter() = default;

void EventWriter::scalar(const std::string& tag, int64_t step, float value) { state_->put(scalar_event(tag, step, value)); }

void EventWriter::histogram(const std::string& tag, int64_t step, std::span<const int64_t> counts) {
  state_->put(histogram_event(tag, step, counts));
}

}  // namespace hellora
