// Rows in memory and on the disk.
#include "hellora/data/token_store.h"

#include <sys/resource.h>

#include <csignal>
#include <limits>

#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

/// The environment's TMPDIR for a while.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const Path& path) {
    if (const char* given = std::getenv("TMPDIR"); given != nullptr) before_ = given;
    ::setenv("TMPDIR", path.c_str(), 1);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    if (before_) {
      ::setenv("TMPDIR", before_->c_str(), 1);
    } else {
      ::unsetenv("TMPDIR");
    }
  }

 private:
  std::optional<std::string> before_;
};

Ids counting(int64_t from, size_t count) {
  Ids out(count);
  for (size_t i = 0; i < count; ++i) out[i] = from + static_cast<int64_t>(i);
  return out;
}

struct Given {
  Ids ids, targets;
};

/// Some 40 MB of rows of many lengths, one of them longer than a segment of the file.
std::vector<Given> many_rows() {
  std::vector<Given> rows;
  for (size_t i = 0; i < 3000; ++i) {
    const size_t length = i == 1500 ? size_t{2500000} : i * 7919 % 1500;
    rows.push_back({counting(static_cast<int64_t>(i) * 1000, length), counting(-static_cast<int64_t>(i), length)});
  }
  return rows;
}

TEST(TokenStore, KeepsTheSameRowsInMemoryAndOnTheDisk) {
  const TempFolder folder;
  const TemporaryDirectory there(folder.path());
  const std::vector<Given> given = many_rows();
  size_t all = 0;
  for (const Given& row : given) all += 2 * sizeof(int32_t) * row.ids.size();
  const size_t some = size_t{4} << 20;
  for (const size_t in_memory : {2 * all, size_t{0}, some}) {
    TokenStore store(in_memory);
    std::vector<StoredRow> kept;
    kept.reserve(given.size());
    for (const Given& row : given) kept.push_back(store.append(row.ids, row.targets));
    for (size_t i = 0; i < given.size(); ++i) {  // after the last row: none has moved
      store.will_need(kept[i]);
      ASSERT_EQ(wide(kept[i].ids), given[i].ids) << i;
      ASSERT_EQ(wide(kept[i].targets), given[i].targets) << i;
    }
    EXPECT_GE(store.bytes_on_disk(), in_memory < all ? all - in_memory : 0);
    EXPECT_LE(store.bytes_on_disk(), in_memory == 0 ? all : in_memory < all ? all - some / 2 : 0);
    EXPECT_EQ(folder.entries(), 0U);  // the file has no name
  }
}

TEST(TokenStore, SaysWhereThereIsNoRoom) {
  const std::string reason = "cannot keep token rows in /nonexistent/folder: No such file or directory; set TMPDIR";
  const TempFolder folder;
  const std::string file = put_file(folder / "rows.jsonl", R"({"text":"ab"})").string();
  const Tokenizer& tokenizer = byte_tokenizer();  // made with a folder of its own
  const TemporaryDirectory there("/nonexistent/folder");
  TokenStore store(0);
  EXPECT_CONTAINS(error_of<DataError>([&] { store.append(Ids{1}, Ids{2}); }), reason);
  EXPECT_CONTAINS(error_of<DataError>([&] { load_dataset({file}, {}, tokenizer, kVocab, nullptr, {1, 0}); }), reason);
}

/// A file may grow no further: what a full disk does, without one.
TEST(TokenStore, AFullDiskIsAnError) {
  const TempFolder folder;
  const TemporaryDirectory there(folder.path());
  TokenStore store(0);
  const Ids row = counting(0, 100000);
  store.append(row, row);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{rlim_t{1} << 20, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string error = error_of<DataError>([&] {
    for (int i = 0; i < 10; ++i) store.append(row, row);
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_CONTAINS(error, "cannot keep token rows in " + folder.path().string() + ": File too large");
  EXPECT_EQ(folder.entries(), 0U);
}

TEST(TokenStore, RefusesIdsBeyond32Bits) {
  TokenStore store;
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(store.append(Ids{kMost}, Ids{kIgnore}).ids[0], kMost);
  EXPECT_CONTAINS(error_of<DataError>([&] { store.append(Ids{kMost + 1}, Ids{0}); }), "token id 2147483648 does not fit");
}

TEST(TokenStore, APartOfADatasetOutlivesTheWhole) {
  Dataset part;
  {
    Dataset whole(size_t{0});
    for (int64_t i = 0; i < 10; ++i) whole.add(counting(i, 5), counting(i + 1, 5), i);
    part = whole;
    part.examples.resize(3);
  }
  ASSERT_EQ(part.examples.size(), 3U);
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(wide(part.examples[static_cast<size_t>(i)].ids), counting(i, 5));
}

}  // namespace
}  // namespace hellora::testing
