// Fails the n-th operation of each kind for n = 0, 1, 2, ... until none is left to fail: through opening, writing,
// flushing, compacting, copying, reading and closing a store, and through opening one that was killed.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "storage/rocks/internal/faulty_file_system.h"
#include "storage/rocks/rocks_store.h"

// After a failed flush RocksDB sleeps for a second, here not at all.
extern "C" int usleep(useconds_t) { return 0; }

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;
using How = FaultyFileSystem::How;
using Kind = FaultyFileSystem::Kind;
using Sync = Store::Sync;

constexpr std::uint64_t kOperationsMax = 1000;  // there are fewer

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::kAppend:
      return "append";
    case Kind::kSync:
      return "sync";
    case Kind::kRead:
      return "read";
    case Kind::kOther:
      return "name";
  }
  return "";
}

WriteBatch change(const std::string& key) {
  WriteBatch batch;
  batch.put(Family::kItems, key, std::string(700, 'v'));
  batch.put(Family::kQueue, "queue", key);  // the same key again and again, so that there is something to compact
  return batch;
}

// One kind of failure, in a folder of its own.
class Loop {
 public:
  Loop(const fs::path& root, Kind kind, How how)
      : root_(root / (std::string(name_of(kind)) + (how == How::kNoSpace ? "-full" : "-error"))),
        kind_(kind),
        how_(how) {
    fs::create_directories(root_);
  }

  // Both end when a round went by without a failure; how many had one.
  std::uint64_t through_a_life() {
    return rounds([this](std::uint64_t) {
      fs::remove_all(data());
      fs::create_directories(data());
      live();
    });
  }
  std::uint64_t through_a_recovery() {
    prepare_killed();
    return rounds([this](std::uint64_t) {
      fs::remove_all(data());
      fs::copy(root_ / "killed", data(), fs::copy_options::recursive);
      if (const auto store = open(); store != nullptr) read_back(*store);
    });
  }

 private:
  fs::path data() const { return root_ / "data"; }

  std::unique_ptr<RocksStore> open() {
    RocksOptions options;
    options.path = (data() / "db").string();
    options.memory_bytes = kMemoryMin;
    options.head_file = (data() / "head").string();
    options.file_system = faults_;
    auto store = RocksStore::open(options);
    if (!store.ok()) why_ = store.error().message();
    return store.ok() ? std::move(store).value() : nullptr;
  }

  template <typename Round>
  std::uint64_t rounds(Round&& round) {
    for (std::uint64_t n = 0; n < kOperationsMax; ++n) {
      at_ = std::string(name_of(kind_)) + (how_ == How::kNoSpace ? " without space, " : " error, ") + std::to_string(n);
      acknowledged_ = kept_;
      faults_->fail({.kind = kind_, .how = how_, .after = n, .once = true});
      round(n);
      faults_->heal();
      const bool failed = faults_->failures() > 0;
      if (!is_whole()) return n;
      if (!failed) return n;
    }
    ADD_FAILURE() << at_ << ": there is no end";
    return 0;
  }

  void write(RocksStore& store, const std::string& key) {
    auto written = store.write(change(key), Sync::kSynced);
    for (int tries = 0; tries < 3 && !written.ok() && written.error().is(kStorageFull); ++tries)
      written = store.write(change(key), Sync::kSynced);
    EXPECT_TRUE(written.ok() || written.error().is(kStorageFailed)) << at_ << ": there is room again";
    if (written.ok()) acknowledged_.insert(key);
  }

  void live() {
    const auto store = open();
    if (store == nullptr) return;
    for (int flush = 0; flush < 5; ++flush) {
      for (int i = 0; i < 2; ++i) write(*store, "f" + std::to_string(flush) + "-" + std::to_string(i));
      if (!store->flush().ok()) break;
    }
    wait_for_compaction(*store);
    read_back(*store);
    const auto copied = acknowledged_;
    if (store->checkpoint((data() / "copy").string()).ok()) check_copy(copied);
    write(*store, "last");
  }

  static void wait_for_compaction(const RocksStore& store) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    while (std::chrono::steady_clock::now() < limit) {
      for (const auto& [name, value] : store.figures()) {
        if (name == "queue_level0_files" && value < 4) return;
        if (name == "background_errors" && value > 0) return;
      }
      std::this_thread::yield();
    }
  }

  // A read says the truth or fails.
  void read_back(const RocksStore& store) {
    for (const auto& key : acknowledged_) {
      const auto read = store.get(Family::kItems, key);
      EXPECT_TRUE(!read.ok() || read->has_value()) << at_ << ": " << key << " is lost";
    }
    std::set<std::string> found;
    const auto all = store.iterate(Family::kItems, {});
    for (all->seek(""); all->valid(); all->next()) found.emplace(all->key());
    if (!all->status().ok()) return;
    for (const auto& key : acknowledged_) EXPECT_TRUE(found.contains(key)) << at_ << ": " << key << " is passed over";
  }

  void check_copy(const std::set<std::string>& keys) {
    RocksOptions options;
    options.path = (data() / "copy").string();
    options.read_only = true;
    const auto copy = RocksStore::open(options);
    ASSERT_TRUE(copy.ok()) << at_ << ": " << copy.error().message();
    for (const auto& key : keys)
      EXPECT_TRUE((*copy)->get(Family::kItems, key).value().has_value()) << at_ << ": the copy lacks " << key;
  }

  // On the healed disk: it opens, has everything acknowledged, and is written to.
  bool is_whole() {
    const auto store = open();
    if (store == nullptr) {
      ADD_FAILURE() << at_ << ": does not open again: " << why_;
      return false;
    }
    for (const auto& key : acknowledged_)
      EXPECT_TRUE(store->get(Family::kItems, key).value().has_value()) << at_ << ": " << key << " is lost";
    EXPECT_TRUE(store->write(change("goes on"), Sync::kSynced).ok()) << at_;
    return !::testing::Test::HasFailure();
  }

  // What a kill leaves: table files, and a log that is to be replayed.
  void prepare_killed() {
    fs::remove_all(data());
    fs::create_directories(data());
    const auto store = open();
    ASSERT_NE(store, nullptr) << why_;
    for (int i = 0; i < 6; ++i) {
      write(*store, "k" + std::to_string(i));
      EXPECT_TRUE(i != 2 || store->flush().ok());
    }
    kept_ = acknowledged_;
    fs::copy(data(), root_ / "killed", fs::copy_options::recursive);
  }

  const fs::path root_;
  const Kind kind_;
  const How how_;
  const std::shared_ptr<FaultyFileSystem> faults_ = std::make_shared<FaultyFileSystem>();
  std::set<std::string> kept_;  // acknowledged before each round
  std::set<std::string> acknowledged_;
  std::string at_;
  std::string why_;
};

class FaultLoopsTest : public ::testing::Test {
 protected:
  FaultLoopsTest() {
    const fs::path place = fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string pattern = (place / "millrace-loops-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~FaultLoopsTest() override { fs::remove_all(root_); }

  // All kinds side by side: a failed flush takes RocksDB a second, which it sleeps.
  template <typename Through>
  std::vector<std::uint64_t> all(Through through) {
    std::vector<std::uint64_t> failed(8, 1);
    std::vector<std::thread> threads;
    for (const How how : {How::kIoError, How::kNoSpace}) {
      for (const Kind kind : {Kind::kAppend, Kind::kSync, Kind::kOther, Kind::kRead}) {
        if (kind == Kind::kRead && how == How::kNoSpace) continue;
        threads.emplace_back([this, kind, how, through, &count = failed[threads.size()]] {
          Loop loop(root_, kind, how);
          count = (loop.*through)();
        });
      }
    }
    for (auto& thread : threads) thread.join();
    return failed;
  }

  fs::path root_;
};

// Whatever operation fails, for a moment: what was acknowledged is there afterwards, and nothing reads as if it were
// not.
TEST_F(FaultLoopsTest, NoOperationOfALifeThatFailsLosesAnything) {
  for (const std::uint64_t failed : all(&Loop::through_a_life)) EXPECT_GT(failed, 0U) << "nothing was made to fail";
}

TEST_F(FaultLoopsTest, NoOperationOfARecoveryThatFailsLosesAnything) {
  for (const std::uint64_t failed : all(&Loop::through_a_recovery)) EXPECT_GT(failed, 0U) << "nothing was made to fail";
}

}  // namespace
}  // namespace millrace::storage
