#include "hellora/io/tensorboard.h"

#include <bit>
#include <chrono>
#include <cstring>
#include <ctime>

#include "hellora/io/crc32c.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

/// CRC-32C bit by bit, from its definition.
uint32_t slow_crc(const string& bytes) {
  uint32_t sum = ~0U;
  for (const char byte : bytes) {
    sum ^= static_cast<uint8_t>(byte);
    for (int i = 0; i < 8; ++i) sum = (sum >> 1) ^ ((sum & 1U) != 0 ? 0x82F63B78U : 0U);
  }
  return ~sum;
}

uint32_t slow_masked(const string& bytes) { return std::rotr(slow_crc(bytes), 15) + 0xA282EAD8U; }

/// A reader of protobuf fields that knows nothing of the writer.
struct Fields {
  explicit Fields(string data) : rest(std::move(data)) {}
  string rest;
  int number = 0, wire = 0;
  uint64_t value = 0;
  string bytes;

  uint64_t varint() {
    uint64_t out = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(rest.at(0));
      rest.erase(0, 1);
      out |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return out;
    }
  }
  string take(size_t count) {
    if (count > rest.size()) throw std::out_of_range("field");
    string out = rest.substr(0, count);
    rest.erase(0, count);
    return out;
  }
  bool next() {
    if (rest.empty()) return false;
    const uint64_t key = varint();
    number = static_cast<int>(key >> 3);
    wire = static_cast<int>(key & 7);
    value = 0;
    bytes.clear();
    if (wire == 0) value = varint();
    if (wire == 2) bytes = take(varint());
    if (wire == 1 || wire == 5) std::memcpy(&value, take(wire == 1 ? 8 : 4).data(), wire == 1 ? 8 : 4);
    return true;
  }
};

struct Event {
  double wall_time = 0;
  int64_t step = 0;
  string version, tag;
  float value = 0;
  int status = 0;
};

void parse_summary(const string& bytes, Event& event) {
  Fields summary(bytes);
  ASSERT_TRUE(summary.next());
  ASSERT_EQ(summary.number, 1);
  Fields item(summary.bytes);
  while (item.next()) {
    if (item.number == 1) event.tag = item.bytes;
    if (item.number == 2) event.value = std::bit_cast<float>(static_cast<uint32_t>(item.value));
  }
}

std::vector<Event> read_events(const Path& path) {
  Fields file(slurp(path));
  std::vector<Event> events;
  while (!file.rest.empty()) {
    const string length = file.take(8), length_sum = file.take(4);
    uint64_t size = 0;
    uint32_t sum = 0;
    std::memcpy(&size, length.data(), 8);
    std::memcpy(&sum, length_sum.data(), 4);
    EXPECT_EQ(sum, slow_masked(length));
    const string data = file.take(size);
    std::memcpy(&sum, file.take(4).data(), 4);
    EXPECT_EQ(sum, slow_masked(data));
    Event event;
    for (Fields fields(data); fields.next();) {
      if (fields.number == 1) event.wall_time = std::bit_cast<double>(fields.value);
      if (fields.number == 2) event.step = static_cast<int64_t>(fields.value);
      if (fields.number == 3) event.version = fields.bytes;
      if (fields.number == 5) parse_summary(fields.bytes, event);
      if (fields.number == 7) event.status = static_cast<uint8_t>(fields.bytes.at(1));
    }
    events.push_back(event);
  }
  return events;
}

Path only_file(const TempFolder& folder) {
  EXPECT_EQ(folder.entries(), 1U);
  return std::filesystem::directory_iterator(folder.path())->path();
}

TEST(Crc32c, KnownAnswers) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c(string(32, '\0')), 0x8A9136AAU);    // RFC 3720, B.4
  EXPECT_EQ(crc32c(string(32, '\xFF')), 0x62A8AB43U);  // RFC 3720, B.4
  EXPECT_EQ(masked_crc32c("123456789"), slow_masked("123456789"));
}

TEST(EventWriter, WritesAVersionAndScalars) {
  const TempFolder folder;
  EventWriter writer(folder.path(), 0);
  writer.scalar("train/loss", 1, 2.5F);
  const Path path = only_file(folder);
  EXPECT_EQ(read_events(path).size(), 2U);  // on disk although the writer is open
  writer.scalar("größe", int64_t{1} << 40, -1e-20F);
  const std::vector<Event> events = read_events(path);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_EQ(events[1].tag, "train/loss");
  EXPECT_EQ(events[1].step, 1);
  EXPECT_EQ(events[1].value, 2.5F);
  EXPECT_EQ(events[2].tag, "größe");
  EXPECT_EQ(events[2].step, int64_t{1} << 40);
  EXPECT_EQ(events[2].value, -1e-20F);
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  for (const Event& event : events) EXPECT_NEAR(event.wall_time, now, 60.0);
}

TEST(EventWriter, AHistogramHasABarForEachNumber) {
  const TempFolder folder;
  EventWriter writer(folder.path(), 0);
  const std::vector<int64_t> counts = {3, 0, 5};
  writer.histogram("load", 7, counts);
  Fields file(slurp(only_file(folder)));
  string data;
  for (int event = 0; event < 2; ++event) {  // the version comes first
    uint64_t size = 0;
    std::memcpy(&size, file.take(8).data(), 8);
    file.take(4);
    data = file.take(size);
    file.take(4);
  }
  Fields fields(data);
  while (fields.number != 5) ASSERT_TRUE(fields.next());
  Fields summary(fields.bytes);
  ASSERT_TRUE(summary.next());
  Fields item(summary.bytes);
  while (item.number != 5) ASSERT_TRUE(item.next());
  std::vector<double> numbers;
  std::vector<std::vector<double>> lists;
  for (Fields histogram(item.bytes); histogram.next();) {
    if (histogram.wire == 1) numbers.push_back(std::bit_cast<double>(histogram.value));
    if (histogram.wire != 2) continue;
    lists.emplace_back(histogram.bytes.size() / 8);
    std::memcpy(lists.back().data(), histogram.bytes.data(), histogram.bytes.size());
  }
  EXPECT_EQ(numbers, (std::vector<double>{-0.5, 2.5, 8, 10, 20}));  // least, largest, how many, their sum, the sum of squares
  EXPECT_EQ(lists, (std::vector<std::vector<double>>{{0.5, 1.5, 2.5}, {3, 0, 5}}));
}

TEST(EventWriter, NameHoldsTimeHostAndProcess) {
  const TempFolder folder;
  EventWriter writer(folder.path(), 0);
  const string name = only_file(folder).filename().string();
  EXPECT_TRUE(name.starts_with("events.out.tfevents.")) << name;
  EXPECT_EQ(name.substr(name.rfind('.') + 1), std::to_string(::getpid())) << name;
  EXPECT_NEAR(std::stod(name.substr(20, 10)), static_cast<double>(std::time(nullptr)), 60.0);
}

TEST(EventWriter, AContinuedRunStartsASession) {
  const TempFolder folder;
  EventWriter writer(folder.path(), 300);
  const std::vector<Event> events = read_events(only_file(folder));
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].step, 300);
  EXPECT_EQ(events[1].status, 1);  // SessionLog.START
}

TEST(EventWriter, TwoWritersInOneSecondGetTwoFiles) {
  const TempFolder folder;
  EventWriter first(folder.path(), 0), second(folder.path(), 5);
  EXPECT_EQ(folder.entries(), 2U);
}

TEST(EventWriter, MissingFolder) {
  const TempFolder folder;
  EXPECT_CONTAINS(error_of<DataError>([&] { EventWriter writer(folder / "none", 0); }), "cannot write");
}

}  // namespace
}  // namespace hellora::testing
