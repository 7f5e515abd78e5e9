// What the store does when the disk fails, is full or is damaged.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <sys/mount.h>

#include "storage/group_committer.h"
#include "storage/rocks/internal/faulty_file_system.h"
#include "storage/rocks/rocks_store.h"
#include "testing/virtual_scheduler.h"

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using How = FaultyFileSystem::How;
using Kind = FaultyFileSystem::Kind;
using Purpose = Commits::Purpose;
using Sync = Store::Sync;

WriteBatch put(const std::string& key, const std::string& value = "v") {
  WriteBatch batch;
  batch.put(Family::kItems, key, value);
  return batch;
}

// Over and over, so that there is something to merge.
WriteBatch same_keys(int value) {
  WriteBatch batch;
  batch.put(Family::kQueue, "first", std::to_string(value));
  batch.put(Family::kQueue, "last", std::to_string(value));
  return batch;
}

// In memory where possible: nothing here depends on a real disk's syncs.
std::string folder() {
  const fs::path place = fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
  std::string pattern = (place / "millrace-faults-XXXXXX").string();
  return ::mkdtemp(pattern.data());
}

std::string noise(int seed) {  // does not compress
  std::string out;
  auto state = static_cast<std::uint32_t>(seed) * 2654435761U + 1;
  for (int i = 0; i < 500; ++i) out += static_cast<char>((state = state * 1664525U + 1013904223U) >> 24);
  return out;
}

template <typename Condition>
bool comes_true(Condition&& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  return condition();
}

// Keeps the threads of RocksDB that run work of one priority, which all databases of a process share.
class BusyThreads {
 public:
  explicit BusyThreads(rocksdb::Env::Priority priority)
      : count_(rocksdb::Env::Default()->GetBackgroundThreads(priority)) {
    for (int i = 0; i < count_; ++i) rocksdb::Env::Default()->Schedule(&BusyThreads::keep, this, priority);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return kept_ == count_; });
  }
  ~BusyThreads() {
    std::unique_lock lock(mutex_);
    let_go_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return kept_ == 0; });
  }

 private:
  static void keep(void* threads) {
    auto& self = *static_cast<BusyThreads*>(threads);
    std::unique_lock lock(self.mutex_);
    ++self.kept_;
    self.changed_.notify_all();
    self.changed_.wait(lock, [&self] { return self.let_go_; });
    --self.kept_;
    self.changed_.notify_all();
  }

  const int count_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int kept_ = 0;
  bool let_go_ = false;
};

class FaultsTest : public ::testing::Test {
 protected:
  ~FaultsTest() override { fs::remove_all(root_); }

  std::unique_ptr<RocksStore> open(bool faulty = true) {
    RocksOptions options;
    options.path = (root_ / "db").string();
    options.memory_bytes = kMemoryMin;
    options.head_file = (root_ / "head").string();
    if (faulty) options.file_system = faults_;
    auto store = RocksStore::open(options);
    EXPECT_TRUE(store.ok()) << store.error().message();
    return store.ok() ? std::move(store).value() : nullptr;
  }

  const fs::path root_ = folder();
  std::shared_ptr<FaultyFileSystem> faults_ = std::make_shared<FaultyFileSystem>();
  ::millrace::testing::VirtualScheduler clock_;
};

TEST_F(FaultsTest, AFailedSyncEndsWritingAndKeepsReading) {
  {
    const auto store = open();
    ASSERT_TRUE(store->write(put("before"), Sync::kSynced).ok());
    faults_->fail({.kind = Kind::kSync, .suffix = ".log", .once = true});
    const auto failed = store->write(put("unknown"), Sync::kSynced);
    ASSERT_FALSE(failed.ok());
    EXPECT_TRUE(failed.error().is(kStorageFailed));
    EXPECT_TRUE(store->write(put("later"), Sync::kSynced).error().is(kStorageFailed)) << "although the disk is well";
    EXPECT_EQ(store->get(Family::kItems, "before").value(), "v");
    EXPECT_EQ(store->get(Family::kItems, "unknown").value(), std::nullopt) << "nobody sees what is not synced";
  }
  const auto again = open();
  EXPECT_EQ(again->get(Family::kItems, "before").value(), "v");
  EXPECT_EQ(again->get(Family::kItems, "later").value(), std::nullopt);
  EXPECT_TRUE(again->write(put("after"), Sync::kSynced).ok());
}

// RocksDB forgets a flush that comes to run between an error and the recovery, and the recovery waits for it for ever.
TEST_F(FaultsTest, AFlushThatWaitedWhenAMergeFoundTheDiskFullIsMadeInTheEnd) {
  const auto store = open();
  std::optional<BusyThreads> merges(rocksdb::Env::LOW);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(store->write(same_keys(i), Sync::kSynced).ok());
    ASSERT_TRUE(store->flush().ok());
  }
  std::optional<BusyThreads> flushes(rocksdb::Env::HIGH);
  ASSERT_TRUE(store->write(same_keys(4), Sync::kSynced).ok());
  auto flushed = std::async(std::launch::async, [&store] { return store->flush(); });
  const auto queued = [] { return rocksdb::Env::Default()->GetThreadPoolQueueLen(rocksdb::Env::HIGH); };
  ASSERT_TRUE(comes_true([&] { return queued() == 1; }));
  faults_->fail({.kind = Kind::kAppend, .how = How::kNoSpace, .suffix = "MANIFEST-000005", .once = true});
  merges.reset();
  EXPECT_FALSE(flushed.get().ok()) << "the merge failed";
  flushes.reset();
  EXPECT_TRUE(comes_true([&] { return queued() == 0; }));
  faults_->heal();
  EXPECT_TRUE(store->write(put("after"), Sync::kSynced).error().is(kStorageFull)) << "it learns of the failure";
  auto written = std::async(std::launch::async, [&store] { return store->write(put("after"), Sync::kSynced); });
  if (written.wait_for(std::chrono::seconds(60)) != std::future_status::ready) {
    ADD_FAILURE() << "the recovery waits for ever";
    std::abort();
  }
  const auto result = written.get();
  EXPECT_TRUE(result.ok()) << result.error().message();
  EXPECT_TRUE(store->flush().ok());
  EXPECT_EQ(store->get(Family::kQueue, "last").value(), "4");
}

TEST_F(FaultsTest, AMergeThatFindsTheDiskFullIsMadeAgain) {
  const auto store = open();
  std::optional<BusyThreads> merges(rocksdb::Env::LOW);
  const auto runs = [&store] {
    for (const auto& [name, value] : store->figures())
      if (name == "queue_level0_files") return static_cast<int>(value);
    return -1;
  };
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(store->write(same_keys(i), Sync::kSynced).ok());
    ASSERT_TRUE(store->flush().ok());
  }
  ASSERT_EQ(runs(), 4);
  faults_->fail({.kind = Kind::kAppend, .how = How::kNoSpace, .suffix = ".sst", .once = true});
  merges.reset();
  ASSERT_TRUE(comes_true([&] { return faults_->failures() == 1; }));
  for (int i = 4; i < 6; ++i) {
    const auto written = store->write(same_keys(i), Sync::kSynced);
    EXPECT_TRUE(written.ok()) << written.error().message();
    const auto flushed = store->flush();
    EXPECT_TRUE(flushed.ok()) << flushed.error().message();
  }
  EXPECT_TRUE(comes_true([&] { return runs() < 4; }));
}

TEST_F(FaultsTest, ADiskTooFullToFlushLetsTheSameBatchBeWrittenAgain) {
  for (const Kind kind : {Kind::kAppend, Kind::kSync}) {
    const std::string name = kind == Kind::kAppend ? "append" : "sync";
    {
      const auto store = open();
      ASSERT_TRUE(store->write(put(name + "1"), Sync::kSynced).ok());
      faults_->fail({.kind = kind, .how = How::kNoSpace, .suffix = ".sst"});
      EXPECT_FALSE(store->flush().ok());
      for (int i = 0; i < 3; ++i) {
        const auto full = store->write(put(name + "2"), Sync::kSynced);
        ASSERT_FALSE(full.ok());
        EXPECT_TRUE(full.error().is(kStorageFull)) << full.error().message();
      }
      EXPECT_EQ(store->get(Family::kItems, name + "1").value(), "v");
      EXPECT_EQ(store->get(Family::kItems, name + "2").value(), std::nullopt);
      faults_->heal();
      const auto written = store->write(put(name + "2", "second"), Sync::kSynced);
      ASSERT_TRUE(written.ok()) << written.error().message();
      ASSERT_TRUE(store->write(put(name + "3"), Sync::kSynced).ok());
    }
    const auto again = open();
    EXPECT_EQ(again->get(Family::kItems, name + "1").value(), "v");
    EXPECT_EQ(again->get(Family::kItems, name + "2").value(), "second");
    EXPECT_EQ(again->get(Family::kItems, name + "3").value(), "v");
  }
}

TEST_F(FaultsTest, ADamagedTableFileIsNamedByReadsAndByTheCheck) {
  {
    const auto store = open();
    for (int i = 0; i < 1000; ++i)
      ASSERT_TRUE(store->write(put("k" + std::to_string(i), noise(i)), Sync::kUnsynced).ok());
  }
  fs::path table;
  for (const auto& entry : fs::directory_iterator(root_ / "db")) {
    if (entry.path().extension() == ".sst" && (table.empty() || entry.file_size() > fs::file_size(table)))
      table = entry.path();
  }
  std::fstream file(table, std::ios::in | std::ios::out | std::ios::binary);
  for (int block = 0; block < 20; ++block) {
    file.seekp(4096 * block + 1000);
    file.write("damaged!", 8);
  }
  file.close();
  const auto store = open();
  ASSERT_NE(store, nullptr);
  const auto read = store->get(Family::kItems, "k0");
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.error().message(), AllOf(HasSubstr("Corruption"), HasSubstr(table.filename().string())));
  const auto damage = store->find_damage();
  ASSERT_EQ(damage.size(), 1U);
  EXPECT_THAT(damage[0], AllOf(HasSubstr(table.filename().string()), HasSubstr("(items, ")));
}

TEST_F(FaultsTest, ADamagedLogIsKeptAndCanBeAccepted) {
  fs::path log;
  {
    const auto store = open();
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(store->write(put("k" + std::to_string(i)), Sync::kSynced).ok());
    fs::copy(root_ / "db", root_ / "crashed", fs::copy_options::recursive);
    fs::copy(root_ / "head", root_ / "crashed.head");
  }
  fs::remove_all(root_ / "db");
  fs::rename(root_ / "crashed", root_ / "db");
  fs::rename(root_ / "crashed.head", root_ / "head");
  for (const auto& entry : fs::directory_iterator(root_ / "db"))
    if (entry.path().extension() == ".log") log = entry.path();
  std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(fs::file_size(log) / 2));
  file.write("damaged!", 8);
  file.close();

  RocksOptions options;
  options.path = (root_ / "db").string();
  options.head_file = (root_ / "head").string();
  for (int i = 0; i < 2; ++i) {  // refusing changes nothing about it
    const auto refused = RocksStore::open(options);
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(refused.error().message(), AllOf(HasSubstr(".log"), HasSubstr("acknowledged changes after number"),
                                                 HasSubstr("--accept-lost-writes"), HasSubstr("damaged-wal")));
  }
  EXPECT_TRUE(fs::exists(root_ / "damaged-wal" / log.filename())) << "for whoever wants to look into it";
  options.accept_lost_writes = true;
  {
    const auto accepted = RocksStore::open(options);
    ASSERT_TRUE(accepted.ok()) << accepted.error().message();
    EXPECT_EQ((*accepted)->get(Family::kItems, "k0").value(), "v");
    EXPECT_EQ((*accepted)->get(Family::kItems, "k199").value(), std::nullopt);
    ASSERT_TRUE((*accepted)->write(put("new"), Sync::kSynced).ok());
  }
  options.accept_lost_writes = false;
  EXPECT_TRUE(RocksStore::open(options).ok()) << "accepting once is enough";
}

TEST_F(FaultsTest, OpenedForReadingItChangesNothing) {
  { ASSERT_TRUE(open()->write(put("a"), Sync::kSynced).ok()); }
  RocksOptions options;
  options.path = (root_ / "db").string();
  options.read_only = true;
  const auto store = RocksStore::open(options);
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ((*store)->get(Family::kItems, "a").value(), "v");
  EXPECT_FALSE((*store)->write(put("b"), Sync::kSynced).ok());
}

// --- the committer on such a store ----------------------------------------------------------------------------------

struct Told {
  std::atomic<int> answers{0};
  std::atomic<int> done{0};
  std::atomic<bool> full{false};
};

void until(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  EXPECT_TRUE(condition());
}

TEST_F(FaultsTest, TheCommitterGoesOnByItselfWhenThereIsRoomAgain) {
  const auto store = open();
  ASSERT_TRUE(store->write(put("something to flush"), Sync::kSynced).ok());
  auto committer = Committer::start(*store, clock_).value();
  faults_->fail({.kind = Kind::kAppend, .how = How::kNoSpace, .suffix = ".sst"});
  EXPECT_FALSE(store->flush().ok());
  Told told;
  const CommitNumber first = committer->submit(
      put("a"), [&](const Committed& committed) { told.done += committed.error == nullptr ? 1 : 100; });
  committer->when_answerable(first, [&](const Error* error) {
    told.full = error != nullptr && error->is(kStorageFull);
    ++told.answers;
  });
  until([&] { return told.answers == 1; });
  EXPECT_TRUE(told.full) << "answers do not wait for room";
  EXPECT_EQ(told.done, 0) << "what is in memory already does";
  const auto refusal = committer->refusal(Purpose::kAdds);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_THAT(refusal->message(), HasSubstr("disk is full"));
  EXPECT_FALSE(committer->failure().has_value());
  const CommitNumber second = committer->submit(
      put("b"), [&](const Committed& committed) { told.done += committed.error == nullptr ? 1 : 100; });
  EXPECT_GT(second, first);
  faults_->heal();
  until([&] { return told.done == 2; });
  EXPECT_FALSE(committer->refusal(Purpose::kAdds).has_value());
  EXPECT_EQ(store->get(Family::kItems, "a").value(), "v");
  EXPECT_EQ(store->get(Family::kItems, "b").value(), "v");
}

TEST_F(FaultsTest, TheCommitterStopsOnAFullDisk) {
  const auto store = open();
  auto committer = Committer::start(*store, clock_).value();
  ASSERT_TRUE(store->write(put("something to flush"), Sync::kSynced).ok());
  faults_->fail({.kind = Kind::kAppend, .how = How::kNoSpace, .suffix = ".sst"});
  EXPECT_FALSE(store->flush().ok());
  std::atomic<int> failed{0};
  for (int i = 0; i < 3; ++i)
    committer->submit(put("a"), [&](const Committed& committed) { failed += committed.error != nullptr ? 1 : 0; });
  committer->stop();
  EXPECT_EQ(failed, 3);
}

TEST_F(FaultsTest, TheCommitterRefusesUntilRestartAfterAFailedSync) {
  const auto store = open();
  auto committer = Committer::start(*store, clock_).value();
  faults_->fail({.kind = Kind::kSync, .suffix = ".log", .once = true});
  std::atomic<int> failed{0};
  committer->submit(put("a"), [&](const Committed& committed) { failed += committed.error != nullptr ? 1 : 0; });
  until([&] { return failed == 1; });
  const auto refusal = committer->refusal(Purpose::kFrees);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_THAT(refusal->message(), AllOf(HasSubstr("until the server is restarted"),
                                        HasSubstr("Nothing of this write was done"), Not(HasSubstr("unknown"))));
}

// --- a disk that is really full -------------------------------------------------------------------------------------

// A file system of its own; skipped where mounting is not permitted.
class SmallDisk : public FaultsTest {
 protected:
  void SetUp() override {
    disk_ = root_ / "disk";
    fs::create_directory(disk_);
    if (::mount("none", disk_.c_str(), "tmpfs", 0, "size=24m") != 0) GTEST_SKIP() << "mounting is not permitted here";
    mounted_ = true;
  }
  ~SmallDisk() override {
    if (mounted_) ::umount2(disk_.c_str(), MNT_DETACH);
  }
  std::unique_ptr<RocksStore> open_here(std::uint64_t reserve) {
    RocksOptions options;
    options.path = (disk_ / "db").string();
    options.memory_bytes = kMemoryMin;
    options.head_file = (disk_ / "head").string();
    options.reserve_bytes = reserve;
    auto store = RocksStore::open(options);
    EXPECT_TRUE(store.ok()) << store.error().message();
    return store.ok() ? std::move(store).value() : nullptr;
  }
  void fill() {
    std::ofstream ballast(disk_ / "ballast", std::ios::binary);
    const std::string block(64 * 1024, 'x');
    while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }

  fs::path disk_;
  bool mounted_ = false;
};

TEST_F(SmallDisk, StopsAtTheReserveAndGoesOnWhenThereIsRoom) {
  auto store = open_here(kReserveDefault);
  auto committer = Committer::start(*store, clock_).value();
  std::atomic<int> done{0};
  const auto count = [&](const Committed& committed) { done += committed.error == nullptr ? 1 : 1000; };
  committer->submit(put("a"), count);
  until([&] { return done == 1; });
  fill();
  committer->submit(put("b"), count);
  until([&] { return committer->refusal(Purpose::kFrees).has_value(); });
  EXPECT_EQ(store->get(Family::kItems, "a").value(), "v");
  EXPECT_EQ(done, 1);
  fs::remove(disk_ / "ballast");
  until([&] { return done == 2; });
  until([&] { return !committer->refusal(Purpose::kAdds).has_value(); });
}

TEST_F(SmallDisk, WhatWasBegunIsFinishedInTheLogsOwnSpace) {
  auto store = open_here(kReserveDefault);
  Committer::Options options;
  options.log_takes = [&](std::size_t bytes) { return store->log_takes(bytes); };
  auto committer = Committer::start(*store, clock_, options).value();
  std::atomic<int> done{0};
  const auto count = [&](const Committed& committed) { done += committed.error == nullptr ? 1 : 1000; };
  committer->submit(put("a"), count);
  until([&] { return done == 1; });
  fill();
  for (int i = 0; i < 10; ++i) committer->submit(put("b" + std::to_string(i), std::string(1000, 'x')), count);
  until([&] { return done == 11; });
  EXPECT_TRUE(committer->refusal(Purpose::kFrees).has_value()) << "nothing more is begun";
  EXPECT_TRUE(store->get(Family::kItems, "b9").value().has_value());
  // More than the log has set aside: it waits.
  committer->submit(put("large", std::string(std::size_t{3} << 20, 'x')), count);
  std::promise<bool> told;
  committer->when_answerable(12, [&](const Error* error) { told.set_value(error != nullptr); });
  EXPECT_TRUE(told.get_future().get());
  EXPECT_EQ(done, 11);
  fs::remove(disk_ / "ballast");
  until([&] { return done == 12; });
  until([&] { return !committer->refusal(Purpose::kAdds).has_value(); });
  committer.reset();
  store.reset();
  store = open_here(kReserveDefault);
  EXPECT_TRUE(store->get(Family::kItems, "b9").value().has_value());
}

TEST_F(SmallDisk, AFullDiskWithoutAReserveLosesNothing) {
  {
    const auto store = open_here(0);
    ASSERT_TRUE(store->write(put("a"), Sync::kSynced).ok());
    fill();
    Result<void> written;
    int count = 0;
    for (; written.ok() && count < 1000; ++count)
      written = store->write(put("b" + std::to_string(count), std::string(100'000, 'x')), Sync::kSynced);
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(store->get(Family::kItems, "a").value(), "v");
  }  // closes on a full disk
  fs::remove(disk_ / "ballast");
  const auto store = open_here(0);
  EXPECT_EQ(store->get(Family::kItems, "a").value(), "v");
  EXPECT_TRUE(store->write(put("c"), Sync::kSynced).ok());
}

TEST_F(SmallDisk, AReadOnlyRemountEndsWritingAndKeepsReading) {
  {
    const auto store = open_here(0);
    ASSERT_TRUE(store->write(put("a"), Sync::kSynced).ok());
  }
  if (::mount("none", disk_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) GTEST_SKIP() << "no remount";
  RocksOptions options;
  options.path = (disk_ / "db").string();
  const auto refused = RocksStore::open(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("Read-only file system"));
  options.read_only = true;
  const auto store = RocksStore::open(options);
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ((*store)->get(Family::kItems, "a").value(), "v");
}

}  // namespace
}  // namespace millrace::storage
