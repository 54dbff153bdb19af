// Event files read back: what the writer wrote, and every way in which a file can be broken.
#include "hellora/io/tensorboard_reader.h"

#include <bit>
#include <limits>

#include "hellora/io/crc32c.h"
#include "hellora/io/tensorboard.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

/// What a writer leaves, as bytes.
template <class Write>
string written(const Write& write, int64_t first_step = 0) {
  const TempFolder folder;
  {
    EventWriter writer(folder.path(), first_step);
    write(writer);
  }
  return slurp(std::filesystem::directory_iterator(folder.path())->path());
}

string small_file() {
  return written([](EventWriter& writer) {
    writer.scalar("loss", 1, 2.5F);
    writer.scalar("loss", 2, -1.5F);
    writer.histogram("load", 2, std::vector<int64_t>{3, 0, 5});
  });
}

EventFile read(const string& bytes) {
  const TempFolder folder;
  return read_event_file(put_file(folder / "events.out.tfevents.1", bytes));
}

string refusal(const string& bytes) {
  return error_of<FormatError>([&] { read(bytes); });
}

template <class Unsigned>
string little(Unsigned value) {
  string out;
  for (size_t i = 0; i < sizeof(value); ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

/// A record with sums that hold.
string record(const string& data) {
  const string length = little(static_cast<uint64_t>(data.size()));
  return length + little(masked_crc32c(length)) + data + little(masked_crc32c(data));
}

/// A short message as a field of another.
string field(int number, const string& bytes) {
  return string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) + bytes;
}

string version() { return record(field(3, "brain.Event:2")); }
string event(const string& step, const string& value) { return record("\x10" + step + field(5, field(1, value))); }
string scalar(float value) { return "\x15" + little(std::bit_cast<uint32_t>(value)); }

TEST(EventReader, ReadsWhatTheWriterWrote) {
  const EventFile file = read(small_file());
  EXPECT_EQ(file.records, 4);  // the version counts
  ASSERT_EQ(file.tags.size(), 2U);
  EXPECT_EQ(file.tags[0].name, "load");
  EXPECT_EQ(file.tags[0].kind, TagKind::histogram);
  EXPECT_EQ(file.tags[0].records, 1);
  EXPECT_EQ(file.tags[0].last, 8);
  EXPECT_EQ(file.tags[1].name, "loss");
  EXPECT_EQ(file.tags[1].kind, TagKind::scalar);
  EXPECT_EQ(file.tags[1].records, 2);
  EXPECT_EQ(file.tags[1].first_step, 1);
  EXPECT_EQ(file.tags[1].last_step, 2);
  EXPECT_EQ(file.tags[1].last, -1.5);
}

TEST(EventReader, AContinuedRun) {
  const EventFile file = read(written([](EventWriter& writer) { writer.scalar("größe", int64_t{1} << 40, 1); }, 300));
  EXPECT_EQ(file.records, 3);
  ASSERT_EQ(file.tags.size(), 1U);
  EXPECT_EQ(file.tags[0].name, "größe");
  EXPECT_EQ(file.tags[0].first_step, int64_t{1} << 40);
}

/// What other programs put into such files: images, tensors, values without a step, fields of other kinds.
TEST(EventReader, OtherKindsOfValuesAreCounted) {
  const string unknown = "\x58\x07\x61" + string(8, 'x') + "\x6D" + string(4, 'x');  // fields 11, 12 and 13
  const EventFile file = read(version() + event("\x05", field(1, "image") + field(4, "png")) +
                              record(field(5, field(1, field(1, "note")))) + event("\x06", field(1, "x") + unknown + scalar(3)));
  ASSERT_EQ(file.tags.size(), 3U);
  EXPECT_EQ(file.tags[0].name, "image");
  EXPECT_EQ(file.tags[0].kind, TagKind::other);
  EXPECT_EQ(file.tags[0].last_step, 5);
  EXPECT_EQ(file.tags[1].first_step, 0);
  EXPECT_EQ(file.tags[2].last, 3);
}

TEST(EventReader, EveryChangedBitIsSeen) {
  const string whole = small_file();
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    string changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_CONTAINS(refusal(changed), "checksum of its");
  }
}

TEST(EventReader, EveryCutIsSeenButBetweenRecords) {
  const string whole = small_file();
  int64_t read_records = 0;
  for (size_t size = 1; size < whole.size(); ++size) {
    const TempFolder folder;
    try {
      read_records += read_event_file(put_file(folder / "e", whole.substr(0, size))).records;
    } catch (const FormatError& error) {
      EXPECT_CONTAINS(string(error.what()), "the file ends inside of it");
    }
  }
  EXPECT_EQ(read_records, 1 + 2 + 3);
  EXPECT_CONTAINS(refusal(""), "empty; expected a TensorBoard event file");
  EXPECT_CONTAINS(refusal(version() + "x"), "/events.out.tfevents.1: record 2 at byte 31: the file ends");
}

TEST(EventReader, OtherFilesAreNoEventFiles) {
  EXPECT_CONTAINS(refusal("{\"step\": 1, \"loss\": 2.5}\n"), "record 1 at byte 0: the checksum of its length");
  EXPECT_CONTAINS(refusal(event("\x01", field(1, "x") + scalar(1))), "does not name its version");
  EXPECT_CONTAINS(refusal(record(field(3, "brain.Even"))), "does not name its version");
  EXPECT_CONTAINS(error_of<DataError>([] { read_event_file("/nonexistent/events.out.tfevents.1"); }), "cannot read");
}

/// The sums hold, what they are over does not.
TEST(EventReader, MalformedMessagesAreRefused) {
  const string longest = string(9, '\xFF');
  const std::vector<std::pair<string, string>> table = {
      {"goes beyond its message", record("\x2A\x05" + string("abcd"))},
      {"goes beyond its message", record("\x2A" + longest + "\x01")},
      {"goes beyond its message", record("\x10")},
      {"goes beyond its message", record("\x10\x80")},
      {"goes beyond its message", record("\x09" + string(7, '\0'))},
      {"goes beyond its message", record("\x2D" + string(3, '\0'))},
      {"goes beyond its message", event("\x01", field(1, "x") + "\x15\x01")},
      {"goes beyond its message", event("\x01", field(1, "x") + field(5, "\x19\x01"))},
      {"more than ten bytes", record("\x10" + longest + "\xFF\x01")},
      {"wire type 3", record("\x13")},
      {"wire type 7", event("\x01", "\x17")},
      {"a step that is not between 0 and 2^60", event(longest + "\x01", field(1, "x") + scalar(1))},
      {"tag x: a value that is not finite", event("\x01", field(1, "x") + scalar(std::numeric_limits<float>::quiet_NaN()))},
      {"tag x: a value that is not finite",
       event("\x01", field(1, "x") + field(5, "\x19" + little(std::bit_cast<uint64_t>(std::numeric_limits<double>::infinity()))))},
      {"no UTF-8", event("\x01", field(1, "\xFF") + scalar(1))},
      {"tag x is of another kind", event("\x01", field(1, "x") + scalar(1)) + event("\x02", field(1, "x"))},
  };
  for (const auto& [says, bytes] : table) EXPECT_CONTAINS(refusal(version() + bytes), says);
  EXPECT_CONTAINS(refusal(written([](EventWriter& writer) { writer.scalar(string(1001, 'x'), 1, 1); })), "longer than 1,000 bytes");
  EXPECT_EQ(read(written([](EventWriter& writer) { writer.scalar(string(1000, 'x'), 1, 1); })).tags.size(), 1U);
}

}  // namespace
}  // namespace hellora::testing
