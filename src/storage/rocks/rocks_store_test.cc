#include "storage/rocks/rocks_store.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/group_committer.h"
#include "storage/log_key.h"
#include "storage/rocks/data_directory.h"
#include "testing/virtual_scheduler.h"

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Sync = Store::Sync;

class RocksTest : public ::testing::Test {
 protected:
  RocksTest() {
    std::string pattern = (fs::temp_directory_path() / "millrace-rocks-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~RocksTest() override { fs::remove_all(root_); }

  RocksOptions options(const std::string& name = "db") const {
    return {
        .path = (root_ / name).string(), .memory_bytes = kMemoryMin, .head_file = (root_ / (name + ".head")).string()};
  }
  std::unique_ptr<RocksStore> open(const std::string& name = "db") const {
    auto store = RocksStore::open(options(name));
    EXPECT_TRUE(store.ok()) << store.error().message();
    return store.ok() ? std::move(store).value() : nullptr;
  }
  // What a kill leaves behind: the files as they are while the store is open.
  void copy_as_crashed(const std::string& from, const std::string& to) const {
    fs::copy(root_ / from, root_ / to, fs::copy_options::recursive);
    fs::copy(root_ / (from + ".head"), root_ / (to + ".head"));
    fs::remove(root_ / to / "LOCK");
  }
  fs::path newest_wal(const std::string& name) const {
    fs::path newest;
    for (const auto& entry : fs::directory_iterator(root_ / name)) {
      if (entry.path().extension() == ".log" && entry.path() > newest) newest = entry.path();
    }
    return newest;
  }

  fs::path root_;
};

WriteBatch put(std::string_view key, std::string_view value = "v", Family family = Family::kItems) {
  WriteBatch batch;
  batch.put(family, key, value);
  return batch;
}

std::vector<std::string> keys(const Store& store, Family family, Bounds bounds = {}) {
  std::vector<std::string> all;
  const auto it = store.iterate(family, std::move(bounds));
  for (it->seek(""); it->valid(); it->next()) all.emplace_back(it->key());
  EXPECT_TRUE(it->status().ok());
  return all;
}

// To be run with the thread sanitizer: whoever reads a row in place sees it whole, with no lock of ours in between,
// also when the write was so long ago that its stack is forgotten.
TEST_F(RocksTest, AnIteratorReadsInPlaceWhatAnotherThreadHasWritten) {
  const auto store = open();
  ASSERT_TRUE(store);
  std::atomic<bool> ready{false}, written{false};
  std::size_t sum = 0;
  std::thread reader([&] {
    EXPECT_TRUE(keys(*store, Family::kItems).empty());  // RocksDB's own locks are taken now
    ready.store(true, std::memory_order_relaxed);
    while (!written.load(std::memory_order_relaxed)) std::this_thread::yield();
    const auto it = store->iterate(Family::kItems, {});
    it->seek("row");
    ASSERT_TRUE(it->valid());
    for (const char byte : it->value()) sum += static_cast<std::size_t>(byte);
  });
  while (!ready.load(std::memory_order_relaxed)) std::this_thread::yield();
  ASSERT_TRUE(store->write(put("row", std::string(1000, '\1')), Sync::kUnsynced).ok());
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(store->write(put("s" + std::to_string(i)), Sync::kUnsynced).ok());
  written.store(true, std::memory_order_relaxed);
  reader.join();
  EXPECT_EQ(sum, 1000U);
}

TEST_F(RocksTest, AppliesABatchInOrderAndKeepsItAcrossAReopen) {
  {
    const auto store = open();
    WriteBatch batch;
    for (const char* key : {"a", "b", "c", "d"}) batch.put(Family::kItems, key, "1");
    batch.erase(Family::kItems, "d");
    batch.erase_range(Family::kItems, "b", "c");
    batch.erase_range(Family::kItems, "z", "a");  // empty
    batch.put(Family::kItems, "b", "again");
    for (int family = 0; family < kFamilyCount; ++family)
      batch.put(static_cast<Family>(family), "x", std::to_string(family));
    ASSERT_TRUE(store->write(batch, Sync::kSynced).ok());
  }
  const auto store = open();
  EXPECT_THAT(keys(*store, Family::kItems), ElementsAre("a", "b", "c", "x"));
  EXPECT_EQ(store->get(Family::kItems, "b").value(), "again");
  for (int family = 0; family < kFamilyCount; ++family) {
    EXPECT_EQ(store->get(static_cast<Family>(family), "x").value(), std::to_string(family));
  }
  EXPECT_EQ(store->get(Family::kLog, "b").value(), std::nullopt);
  EXPECT_THAT(store->statistics(), AllOf(HasSubstr("items"), HasSubstr("block-cache-bytes ")));
}

TEST_F(RocksTest, MovesBothWaysWithinBoundsOverASnapshot) {
  const auto store = open();
  for (const char* key : {"a", "b", "c", "d"}) ASSERT_TRUE(store->write(put(key), Sync::kUnsynced).ok());
  const auto it = store->iterate(Family::kItems, {"b", "d"});
  ASSERT_TRUE(store->write(put("bb"), Sync::kUnsynced).ok());
  it->seek_for_prev("zzz");
  ASSERT_TRUE(it->valid());
  EXPECT_EQ(it->key(), "c");
  it->prev();
  EXPECT_EQ(it->key(), "b");
  it->prev();
  EXPECT_FALSE(it->valid());
  EXPECT_THAT(keys(*store, Family::kItems, {"b", "d"}), ElementsAre("b", "bb", "c"));
}

TEST_F(RocksTest, KeepsEverySyncedWriteAcrossACrash) {
  const auto store = open();
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(store->write(put("k" + std::to_string(i)), Sync::kSynced).ok());
  copy_as_crashed("db", "crashed");
  const auto reopened = open("crashed");
  ASSERT_NE(reopened, nullptr);
  EXPECT_EQ(keys(*reopened, Family::kItems).size(), 500U);
}

TEST_F(RocksTest, StartsAfterATornUnacknowledgedLastRecord) {
  const auto store = open();
  ASSERT_TRUE(store->write(put("good"), Sync::kSynced).ok());
  ASSERT_TRUE(store->write(put("torn", std::string(1000, 'x')), Sync::kUnsynced).ok());
  copy_as_crashed("db", "crashed");
  const fs::path wal = newest_wal("crashed");
  fs::resize_file(wal, fs::file_size(wal) - 10);
  const auto reopened = open("crashed");
  ASSERT_NE(reopened, nullptr);
  EXPECT_THAT(keys(*reopened, Family::kItems), ElementsAre("good"));
}

TEST_F(RocksTest, RefusesALogThatLostAcknowledgedWritesAndNamesIt) {
  const auto store = open();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(store->write(put("k" + std::to_string(i), std::string(100, 'x')), Sync::kSynced).ok());
  }
  copy_as_crashed("db", "crashed");
  const fs::path wal = newest_wal("crashed");
  {
    std::fstream file(wal, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fs::file_size(wal) / 2));
    file.put('!');
  }
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto reopened = RocksStore::open(options("crashed"));
    ASSERT_FALSE(reopened.ok());
    EXPECT_THAT(reopened.error().message(), HasSubstr("acknowledged changes after number"));
    const std::string named =
        attempt == 0 ? wal.filename().string() : "write-ahead log";  // replayed, hence gone, by then
    EXPECT_THAT(reopened.error().message(), HasSubstr(named));
  }
  fs::remove(root_ / "crashed.head");  // as the message says
  EXPECT_NE(open("crashed"), nullptr);
}

TEST_F(RocksTest, IgnoresATornHeadFileSlot) {
  {
    const auto store = open();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->write(put("k"), Sync::kSynced).ok());
  }
  {
    std::fstream file(root_ / "db.head", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 + 16);  // the sequence number in the newer slot
    file.put('\x7f');
  }
  EXPECT_NE(open(), nullptr);
}

// What is not synced may be anything after a power cut: of each session, one slot.
TEST_F(RocksTest, KeepsASyncedSlotOfTheHeadFileInEverySession) {
  const auto slots = [&] {
    std::ifstream file(root_ / "db.head", std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    return std::pair(bytes.substr(0, 64), bytes.substr(4096, 64));
  };
  open();
  for (const bool first : {true, false, true}) {
    const auto store = open();
    const auto before = slots();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->write(put("k"), Sync::kSynced).ok());
    const auto after = slots();
    EXPECT_EQ(before.first == after.first, !first);
    EXPECT_EQ(before.second == after.second, first);
  }
}

TEST_F(RocksTest, RefusesADamagedHeadFileBesideData) {
  { ASSERT_TRUE(open()->write(put("k"), Sync::kSynced).ok()); }
  const auto damage = [this](std::uintmax_t bytes) {
    fs::resize_file(root_ / "db.head", 0);
    fs::resize_file(root_ / "db.head", bytes);
  };
  for (const std::uintmax_t bytes : {0, 1000}) {
    damage(bytes);
    const auto refused = RocksStore::open(options());
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(refused.error().message(), AllOf(HasSubstr("db.head is damaged"), HasSubstr("--accept-lost-writes")));
    RocksOptions reading = options();
    reading.read_only = true;
    EXPECT_FALSE(RocksStore::open(reading).ok());
  }
  RocksOptions accepting = options();
  accepting.accept_lost_writes = true;
  { ASSERT_TRUE(RocksStore::open(accepting).ok()); }
  EXPECT_NE(open(), nullptr) << "made anew";
  fs::remove(root_ / "db.head");
  fs::create_directory(root_ / "db.head");  // what cannot be read is no new directory
  EXPECT_THAT(RocksStore::open(options()).error().message(), HasSubstr("cannot be opened"));
}

TEST_F(RocksTest, NotesWhatItsOwnSyncCoveredAndNotWhatReclaimingWrote) {
  const auto store = open();
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(store->write(put(key), Sync::kSynced).ok());
  store->reclaim(Family::kItems, "a", "b");  // a change without a sync
  copy_as_crashed("db", "cut");
  const fs::path wal = newest_wal("cut");
  fs::resize_file(wal, fs::file_size(wal) - 10);  // all that is lost is what was not synced
  const auto reopened = open("cut");
  ASSERT_NE(reopened, nullptr);
  EXPECT_EQ(keys(*reopened, Family::kItems).size(), 3U);
  copy_as_crashed("db", "exact");
  const fs::path exact = newest_wal("exact");
  fs::resize_file(exact, fs::file_size(exact) - 30);  // c as well
  EXPECT_THAT(RocksStore::open(options("exact")).error().message(), HasSubstr(": 1 acknowledged changes after"));
}

TEST_F(RocksTest, KeepsStampsRisingAcrossACrashWithTheClockSetBack) {
  const auto store = open();
  const millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(*store, clock).value();
  for (int i = 0; i < 50; ++i) {
    WriteBatch batch;
    batch.log(1, "r");
    std::promise<void> done;
    committer->submit(std::move(batch), [&](const Committed&) { done.set_value(); });
    done.get_future().wait();
  }
  copy_as_crashed("db", "crashed");
  const auto reopened = open("crashed");
  const millrace::testing::VirtualScheduler earlier(from_unix_ms(0));
  EXPECT_GE(Committer::start(*reopened, earlier).value()->next_stamp(), committer->next_stamp());
  EXPECT_EQ(keys(*reopened, Family::kLog).size(), 50U);
}

TEST_F(RocksTest, ReclaimsWithoutTouchingNeighbours) {
  const auto store = open();
  WriteBatch batch;
  for (int i = 0; i < 1000; ++i)
    batch.put(Family::kItems, log_key(static_cast<std::uint64_t>(i), 0), std::string(100, 'x'));
  ASSERT_TRUE(store->write(batch, Sync::kSynced).ok());
  ASSERT_TRUE(store->flush().ok());
  const std::string from = log_key(100, 0);
  const std::string to = log_key(900, 0);
  store->reclaim(Family::kItems, from, to);
  store->reclaim(Family::kItems, to, from);  // empty
  EXPECT_EQ(keys(*store, Family::kItems).size(), 200U);
  EXPECT_TRUE(store->get(Family::kItems, log_key(99, 0)).value().has_value());
  EXPECT_TRUE(store->get(Family::kItems, to).value().has_value());
}

TEST_F(RocksTest, KnowsAboutHowMuchARangeTakes) {
  const auto store = open();
  for (int i = 0; i < 400; ++i) {
    const std::string name = std::to_string(1000 + i);
    std::string noise;  // does not compress
    for (std::uint64_t x = static_cast<std::uint64_t>(i) + 1; noise.size() < 4000; x = x * 6364136223846793005U + 1)
      append_be64(noise, x);
    ASSERT_TRUE(store->write(put((i < 300 ? "a" : "b") + name, noise), Sync::kUnsynced).ok());
  }
  ASSERT_TRUE(store->flush().ok());
  const auto bytes = [&](std::string_view from, std::string_view to) {
    return static_cast<double>(store->approximate_bytes(Family::kItems, from, to));
  };
  EXPECT_NEAR(bytes("a", "b"), 1'200'000, 120'000);
  EXPECT_NEAR(bytes("b", ""), 400'000, 60'000);
  EXPECT_NEAR(bytes("", ""), 1'600'000, 160'000);
  EXPECT_LT(bytes("c", "d"), 10'000);
}

TEST_F(RocksTest, RefusesASecondOpenAndADamagedDatabase) {
  auto store = open();
  ASSERT_TRUE(store->write(put("a"), Sync::kSynced).ok());
  EXPECT_FALSE(RocksStore::open(options()).ok());
  store.reset();
  std::ofstream(root_ / "db" / "CURRENT") << "nonsense";
  const auto damaged = RocksStore::open(options());
  ASSERT_FALSE(damaged.ok());
  EXPECT_THAT(damaged.error().message(), HasSubstr("cannot be opened"));
}

class DataDirectoryTest : public RocksTest {
 protected:
  std::string path() const { return (root_ / "deep" / "data").string(); }
  std::string refusal() const {
    const auto opened = DataDirectory::open(path(), "millrace test");
    return opened.ok() ? "" : opened.error().message();
  }
};

TEST_F(DataDirectoryTest, IsCreatedPrivateAndOpensAgain) {
  {
    const auto directory = DataDirectory::open(path(), "millrace serve").value();
    EXPECT_EQ(fs::status(path()).permissions(), fs::perms::owner_all);
    const std::string objects = directory->directory("objects").value();
    EXPECT_TRUE(fs::is_directory(objects));
    auto store = RocksStore::open({.path = directory->database_path(), .head_file = directory->head_path()});
    EXPECT_TRUE(store.ok());
  }
  EXPECT_EQ(refusal(), "");
}

TEST_F(DataDirectoryTest, NamesTheProcessThatHoldsIt) {
  const auto held = DataDirectory::open(path(), "millrace serve --port 4566").value();
  EXPECT_THAT(refusal(),
              HasSubstr("in use by process " + std::to_string(::getpid()) + " (millrace serve --port 4566)"));
}

TEST_F(DataDirectoryTest, OutlastsAChildOfAKilledServerThatStillHoldsTheLock) {
  DataDirectory::open(path(), "millrace").value().reset();
  const std::string file = path() + "/lock";
  const pid_t server = ::fork();
  if (server == 0) {
    const int fd = ::open(file.c_str(), O_RDWR);
    const std::string holder = std::to_string(::getpid()) + " millrace serve";
    const bool held = ::flock(fd, LOCK_EX | LOCK_NB) == 0 && ::ftruncate(fd, 0) == 0 &&
                      ::write(fd, holder.data(), holder.size()) == static_cast<ssize_t>(holder.size());
    if (held && ::fork() == 0) ::poll(nullptr, 0, 200);
    ::_exit(held ? 0 : 1);
  }
  int status = 0;
  ::waitpid(server, &status, 0);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(refusal(), "");
}

TEST_F(DataDirectoryTest, RefusesNewerDamagedAndForeignDirectories) {
  DataDirectory::open(path(), "millrace").value().reset();
  const auto write = [&](std::string_view text) { std::ofstream(path() + "/millrace.json") << text; };
  const std::string newer = std::to_string(kDataFormat + 1);
  write("{\"format\":" + newer + "}");
  EXPECT_THAT(refusal(), HasSubstr("newer version of millrace (format " + newer + ", this one knows " +
                                   std::to_string(kDataFormat) + ")"));
  for (const char* damage : {"", "{", "[]", "{\"format\":\"1\"}", "{\"format\":0}"}) {
    write(damage);
    EXPECT_THAT(refusal(), HasSubstr("is damaged")) << damage;
  }
  fs::remove(path() + "/millrace.json");
  std::ofstream(path() + "/letter.txt") << "private";
  fs::remove(path() + "/lock");
  EXPECT_THAT(refusal(), HasSubstr("not millrace's"));
  EXPECT_FALSE(fs::exists(path() + "/lock"));  // nothing is left in other people's directories
}

TEST_F(DataDirectoryTest, RemembersItsFormatUntilItHasBeenUpgraded) {
  DataDirectory::open(path(), "millrace").value().reset();
  std::ofstream(path() + "/millrace.json") << "{\"format\":1}";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(DataDirectory::open(path(), "millrace").value()->format(), 1);
  ASSERT_TRUE(DataDirectory::open(path(), "millrace").value()->upgraded().ok());
  EXPECT_EQ(DataDirectory::open(path(), "millrace").value()->format(), kDataFormat);
}

TEST_F(DataDirectoryTest, IsLookedAtWithoutBeingChangedAndNotWhileInUse) {
  EXPECT_FALSE(DataDirectory::look(path()).ok());
  EXPECT_FALSE(fs::exists(path()));
  auto held = DataDirectory::open(path(), "millrace serve").value();
  const auto refused = DataDirectory::look(path());
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("in use by process"));
  held.reset();
  EXPECT_TRUE(DataDirectory::look(path()).ok());
  std::ofstream(path() + "/backup.json") << "{}";
  EXPECT_TRUE(DataDirectory::look(path()).ok());
  EXPECT_THAT(refusal(), HasSubstr("is a backup"));
}

TEST_F(DataDirectoryTest, SaysWhyItCannotBeCreated) {
  fs::create_directories(root_ / "deep");
  std::ofstream(path()) << "a file";
  EXPECT_THAT(refusal(), HasSubstr("cannot be created"));
}

}  // namespace
}  // namespace millrace::storage
