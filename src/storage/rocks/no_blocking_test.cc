// Reads that must not wait for the disk, on real files whose pages the system was told to forget.
#include "storage/no_blocking.h"

#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <unistd.h>

#include "storage/rocks/rocks_store.h"

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;
using Sync = Store::Sync;

constexpr int kKeys = 4000;
// A refused read has begun to read; when the disk answers before the kernel looks again, it is not refused. A thread
// that loses its processor in between sees that once in a few hundred times.
constexpr int kTries = 10;

std::string key(int i) { return "k" + std::to_string(100000 + i); }
// Nothing that compression makes small.
std::string value(int i) {
  std::string out;
  for (unsigned at = 0; at < 250; ++at)
    out += static_cast<char>('!' + (static_cast<unsigned>(i) * 7919 + at * at) % 90);
  return out;
}

class NoBlockingTest : public ::testing::Test {
 protected:
  NoBlockingTest() {
    std::string pattern = (fs::current_path() / "millrace-nowait-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~NoBlockingTest() override {
    store_.reset();
    fs::remove_all(root_);
  }

  void open() {
    store_.reset();
    auto store = RocksStore::open({.path = (root_ / "db").string(), .memory_bytes = kMemoryMin});
    ASSERT_TRUE(store.ok()) << store.error().message();
    store_ = std::move(store).value();
  }
  void fill() {
    open();
    WriteBatch batch;
    for (int i = 0; i < kKeys; ++i) {
      batch.put(Family::kItems, key(i), value(i));
      batch.put(Family::kLog, key(i), value(i));
    }
    ASSERT_TRUE(store_->write(batch, Sync::kSynced).ok());
    ASSERT_TRUE(store_->flush().ok());
  }
  // Takes the table files out of the page cache; false: they stay there, or nobody can tell.
  bool forget_pages() {
    for (const auto& entry : fs::directory_iterator(root_ / "db")) {
      if (entry.path().extension() != ".sst") continue;
      const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
      ::fsync(fd);
      ::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
      ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
      char byte = 0;
      const iovec piece{&byte, 1};
      const auto middle = static_cast<off_t>(entry.file_size() / 2);
      const bool gone = ::preadv2(fd, &piece, 1, middle, RWF_NOWAIT) < 0 && errno == EAGAIN;
      ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
      ::close(fd);
      if (!gone) return false;
    }
    return true;
  }
  // A store whose blocks and pages are in no cache.
  bool cool_down() {
    fill();
    return open_cold();
  }
  bool open_cold() {
    for (int i = 0; i < kTries; ++i) {
      open();
      if (forget_pages()) return true;
    }
    return false;
  }

  fs::path root_;
  std::unique_ptr<RocksStore> store_;
};

TEST_F(NoBlockingTest, ReadsWhatThePageCacheHas) {
  fill();
  open();
  const NoBlocking here;
  EXPECT_EQ(store_->get(Family::kItems, key(7)).value(), value(7));
  const auto it = store_->iterate(Family::kLog, {});
  int count = 0;
  for (it->seek(""); it->valid(); it->next()) ++count;
  EXPECT_TRUE(it->status().ok());
  EXPECT_EQ(count, kKeys);
}

TEST_F(NoBlockingTest, RefusesWhatOnlyTheDiskHasAndReadsItAfterwards) {
  if (!cool_down()) GTEST_SKIP() << "this file system keeps its pages";
  for (const int i : {0, 1234, kKeys - 1}) {
    std::optional<Error> refusal;
    NoBlocking::Refused asked;
    for (int tries = 0; tries < kTries && !refusal; ++tries) {
      if (tries > 0) {
        ASSERT_TRUE(open_cold());
      }
      NoBlocking here;
      const auto found = store_->get(Family::kItems, key(i));
      if (!found.ok()) refusal = found.error();
      asked = here.take_refused();
    }
    ASSERT_TRUE(refusal);
    EXPECT_TRUE(refusal->is(kWouldBlock)) << refusal->message();
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0], std::pair(Family::kItems, key(i)));
    EXPECT_EQ(store_->get(Family::kItems, key(i)).value(), value(i)) << "a refusal must leave nothing in a cache";
    const NoBlocking here;
    EXPECT_EQ(store_->get(Family::kItems, key(i)).value(), value(i));
  }
  EXPECT_TRUE(store_->write(WriteBatch(), Sync::kSynced).ok());
}

TEST_F(NoBlockingTest, ARefusedIteratorIsNotAtItsEnd) {
  if (!cool_down()) GTEST_SKIP() << "this file system keeps its pages";
  for (const Family family : {Family::kItems, Family::kLog}) {
    {
      const NoBlocking here;
      const auto it = store_->iterate(family, {});
      for (it->seek(""); it->valid(); it->next()) continue;
      ASSERT_FALSE(it->status().ok());
      EXPECT_TRUE(it->status().error().is(kWouldBlock)) << it->status().error().message();
    }
    const auto it = store_->iterate(family, {});
    int count = 0;
    for (it->seek(""); it->valid(); it->next(), ++count) ASSERT_EQ(it->value(), value(count));
    EXPECT_TRUE(it->status().ok());
    EXPECT_EQ(count, kKeys);
  }
}

// Every prefix of what a walk needs is in memory once: whatever is missing, the walk sees a prefix and says so.
TEST_F(NoBlockingTest, AWalkThatIsRefusedAnywhereHasSeenAPrefix) {
  if (!cool_down()) GTEST_SKIP() << "this file system keeps its pages";
  int refusals = 0;
  for (;;) {
    int seen = 0;
    {
      const NoBlocking here;
      const auto it = store_->iterate(Family::kItems, {});
      for (it->seek(""); it->valid(); it->next(), ++seen) ASSERT_EQ(it->key(), key(seen));
      if (it->status().ok()) {
        EXPECT_EQ(seen, kKeys);
        break;
      }
      ASSERT_TRUE(it->status().error().is(kWouldBlock));
    }
    ++refusals;
    ASSERT_LT(seen, kKeys);
    ASSERT_TRUE(store_->get(Family::kItems, key(seen)).ok());  // reads the block that was missing
  }
  EXPECT_GT(refusals, 1);
}

TEST_F(NoBlockingTest, PassesNoLongRunOfDeletedKeys) {
  open();
  WriteBatch batch;
  for (int i = 0; i < 10000; ++i) batch.put(Family::kQueue, key(i), "");
  ASSERT_TRUE(store_->write(batch, Sync::kSynced).ok());
  WriteBatch gone;
  for (int i = 0; i < 9999; ++i) gone.erase(Family::kQueue, key(i));
  ASSERT_TRUE(store_->write(gone, Sync::kSynced).ok());
  {
    const NoBlocking here;
    const auto it = store_->iterate(Family::kQueue, {});
    it->seek("");
    EXPECT_FALSE(it->valid());
    ASSERT_FALSE(it->status().ok());
    EXPECT_TRUE(it->status().error().is(kWouldBlock));
  }
  const auto it = store_->iterate(Family::kQueue, {});
  it->seek("");
  ASSERT_TRUE(it->valid());
  EXPECT_EQ(it->key(), key(9999));
}

TEST_F(NoBlockingTest, ReadAheadReadsWithoutTheLocksAndThenWithThem) {
  if (!cool_down()) GTEST_SKIP() << "this file system keeps its pages";
  int locked = 0;
  int waited = 0;
  for (int i = 0; i < kTries && locked < 2; ++i) {
    ASSERT_TRUE(open_cold());
    locked = 0;
    const auto found = read_ahead(*store_, [&] {
      ++locked;
      if (!NoBlocking::active()) ++waited;
      return store_->get(Family::kItems, key(99));
    });
    EXPECT_EQ(found.value(), value(99));
  }
  EXPECT_EQ(locked, 2);
  EXPECT_EQ(waited, 0);
}

TEST_F(NoBlockingTest, ALongRunLeavesTheCacheAlone) {
  fill();
  open();
  const auto cached = [&] {
    for (const auto& [name, bytes] : store_->figures()) {
      if (name == "block_cache_bytes") return bytes;
    }
    return -1.0;
  };
  const auto walk = [&](bool long_run) {
    const auto it = store_->iterate(Family::kItems, {"", "", long_run});
    for (it->seek(""); it->valid(); it->next()) continue;
    EXPECT_TRUE(it->status().ok());
  };
  const double before = cached();
  walk(true);
  EXPECT_LT(cached() - before, 100'000);
  walk(false);
  EXPECT_GT(cached() - before, 500'000);
}

}  // namespace
}  // namespace millrace::storage
