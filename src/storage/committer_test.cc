#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/group_committer.h"
#include "storage/log_key.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A store whose writes wait until the test opens the gate: what piles up behind one becomes one group.
class GatedStore final : public Store {
 public:
  Result<void> write(const WriteBatch& batch, Sync sync) override {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return permits_ > 0; });
    --permits_;
    return inner.write(batch, sync);
  }
  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    return inner.get(family, key);
  }
  std::unique_ptr<Iterator> iterate(Family family, Bounds bounds) const override {
    return inner.iterate(family, std::move(bounds));
  }
  void reclaim(Family, std::string_view, std::string_view) override {}
  std::string statistics() const override { return {}; }

  void wait_for_writer(int nth) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= nth; });
  }
  void permit(int writes) {
    const std::lock_guard lock(mutex_);
    permits_ += writes;
    changed_.notify_all();
  }

  MemoryStore inner;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  int permits_ = 0;
};

// A store on a disk whose room the test decides.
class NarrowStore final : public Store {
 public:
  Result<void> write(const WriteBatch& batch, Sync sync) override { return inner_.write(batch, sync); }
  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    return inner_.get(family, key);
  }
  std::unique_ptr<Iterator> iterate(Family family, Bounds bounds) const override {
    return inner_.iterate(family, std::move(bounds));
  }
  void reclaim(Family, std::string_view, std::string_view) override {}
  std::string statistics() const override { return {}; }
  Room room() const override {
    return {free_ < kReserve / 4 ? Room::Level::kNone : Room::Level::kPlenty, free_, kReserve};
  }
  void set_free(std::uint64_t bytes) { free_ = bytes; }

 private:
  static constexpr std::uint64_t kReserve = std::uint64_t{256} << 20;
  MemoryStore inner_;
  std::atomic<std::uint64_t> free_{kReserve};
};

WriteBatch record(std::uint64_t shard, std::string_view value) {
  WriteBatch batch;
  batch.log(shard, value);
  return batch;
}

WriteBatch put(std::string_view key, std::string_view value = "v") {
  WriteBatch batch;
  batch.put(Family::kItems, key, value);
  return batch;
}

// Of the first record in a new store.
Stamp first_stamp(const platform::Clock& clock) { return static_cast<Stamp>(to_unix_ms(clock.machine_now())) * 1000; }

// Waits for the outcome of one commit: true = durable.
bool commit(Commits& commits, WriteBatch batch) {
  std::promise<bool> outcome;
  commits.submit(std::move(batch), [&](const Committed& committed) { outcome.set_value(committed.error == nullptr); });
  return outcome.get_future().get();
}

std::vector<LogRecord> log_of(const Store& store, std::vector<std::string>& keep) {
  std::vector<LogRecord> records;
  const auto it = store.iterate(Family::kLog, {});
  for (it->seek(""); it->valid(); it->next()) {
    keep.push_back(std::string(it->value()));
  }
  std::size_t index = 0;
  for (it->seek(""); it->valid(); it->next()) {
    const auto parsed = parse_log_record(it->key(), keep[index++]);
    EXPECT_TRUE(parsed);
    records.push_back(*parsed);
  }
  return records;
}

std::int64_t counter(const Store& store, std::string_view key) {
  const auto value = store.get(Family::kCatalogue, key).value();
  return value ? static_cast<std::int64_t>(read_be64(*value)) : 0;
}

TEST(Committer, WhatWasBegunIsFinishedFromTheRestOfTheReserve) {
  NarrowStore store;
  const millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(store, clock).value();
  const auto answered = [&](CommitNumber number) {
    std::promise<bool> outcome;
    committer->when_answerable(number, [&](const Error* error) { outcome.set_value(error == nullptr); });
    return outcome.get_future().get();
  };
  store.set_free(std::uint64_t{10} << 20);  // less than a quarter of the reserve
  EXPECT_TRUE(answered(committer->submit(put("begun")))) << "nothing stays queued, so reads are served";
  EXPECT_TRUE(committer->refusal(Commits::Purpose::kFrees).has_value()) << "but nothing more is begun";
  store.set_free(std::uint64_t{1} << 20);  // the log could fail in the middle of a record
  const CommitNumber waits = committer->submit(put("waits"));
  EXPECT_FALSE(answered(waits));
  store.set_free(std::uint64_t{10} << 20);
  std::promise<void> durable;
  committer->when_durable(waits, [&](const Error* error) {
    EXPECT_EQ(error, nullptr);
    durable.set_value();
  });
  durable.get_future().wait();
  EXPECT_TRUE(answered(committer->submit(put("begun before it was known"))));
  const std::string large(std::size_t{8} << 20, 'x');
  EXPECT_FALSE(answered(committer->submit(put("large", large)))) << "not into what it does not fit into";
  store.set_free(std::uint64_t{256} << 20);
  EXPECT_TRUE(commit(*committer, put("plenty")));
}

TEST(Committer, MergesWhatWaitsIntoOneWriteAndCompletesInOrder) {
  GatedStore store;
  const millrace::testing::VirtualScheduler clock;
  telemetry::Registry registry;
  auto committer = Committer::start(store, clock, {.registry = &registry}).value();
  std::mutex mutex;
  std::vector<std::string> events;
  const auto note = [&](std::string text) {
    const std::lock_guard lock(mutex);
    events.push_back(std::move(text));
  };
  committer->on_logged([&](std::span<const std::uint64_t> shards) {
    std::string text = "logged";
    for (const auto shard : shards) text += ' ' + std::to_string(shard);
    note(text);
  });
  committer->submit(put("first"), [&](const Committed&) { note("first"); });
  store.wait_for_writer(1);
  for (const std::uint64_t shard : {9, 4, 9}) {
    committer->submit(record(shard, "r"), [&, shard](const Committed&) { note("record " + std::to_string(shard)); });
  }
  const CommitNumber last = committer->submit(put("last"));
  std::promise<void> all;
  committer->when_durable(last, [&](const Error* error) {
    note(error == nullptr ? "durable" : "failed");
    all.set_value();
  });
  EXPECT_EQ(committer->durable(), 0U);
  store.permit(2);
  all.get_future().wait();
  committer->stop();
  EXPECT_EQ(committer->durable(), last);
  EXPECT_THAT(events, ElementsAre("first", "record 9", "record 4", "record 9", "logged 4 9", "durable"));
  EXPECT_EQ(store.inner.writes(), 2U);
  EXPECT_EQ(registry.counter("millrace_commit_groups_total").value(), 2U);
  EXPECT_EQ(registry.counter("millrace_commit_batches_total").value(), 5U);
  bool at_once = false;
  committer->when_durable(last, [&](const Error* error) { at_once = error == nullptr; });
  EXPECT_TRUE(at_once);
}

TEST(Committer, IsBusyUntilTheCallbacksHaveReturned) {
  GatedStore store;
  const millrace::testing::VirtualScheduler clock;
  platform::BusyCounter busy;
  std::atomic<int> idle = 0;
  busy.on_idle([&] { ++idle; });
  auto committer = Committer::start(store, clock, {.busy = &busy}).value();
  std::int64_t during = 0;
  committer->submit(put("a"), [&](const Committed&) { during = busy.count(); });
  store.wait_for_writer(1);
  EXPECT_EQ(busy.count(), 1);
  EXPECT_EQ(idle, 0);
  store.permit(1);
  committer->stop();
  EXPECT_EQ(during, 1);
  EXPECT_EQ(idle, 1);
  committer->submit(put("late"));  // refused
  EXPECT_EQ(busy.count(), 0);
}

TEST(Committer, CapsAGroupButAlwaysTakesOne) {
  GatedStore store;
  const millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(store, clock).value();
  const std::string big(kGroupBytesMax - 1000, 'x');
  committer->submit(put("first"));
  store.wait_for_writer(1);
  committer->submit(put("a", big));
  committer->submit(put("b", big + big));
  committer->submit(put("c"));
  committer->submit(put("d"));
  store.permit(4);
  committer->stop();
  EXPECT_EQ(store.inner.writes(), 4U);  // first, a, b, c + d
  EXPECT_EQ(store.inner.count(Family::kItems), 5U);
}

TEST(Committer, StampsRecordsConsecutivelyWithTimeThatNeverFalls) {
  MemoryStore store;
  millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(store, clock).value();
  const Stamp start = first_stamp(clock);
  EXPECT_LT(committer->next_stamp(), start);
  WriteBatch two;
  two.log(1, "one");
  two.put(Family::kItems, "k", "v");
  two.log(2, "two");
  Committed outcome;
  std::promise<void> done;
  committer->submit(std::move(two), [&](const Committed& committed) {
    outcome = committed;
    done.set_value();
  });
  done.get_future().wait();
  EXPECT_EQ(outcome.first_stamp, start);
  EXPECT_EQ(outcome.time, clock.now());
  EXPECT_EQ(committer->next_stamp(), start + 2);
  committer->stop();
  std::vector<std::string> keep;
  const auto log = log_of(store, keep);
  ASSERT_EQ(log.size(), 2U);
  EXPECT_EQ(log[0].stamp, start);
  EXPECT_EQ(log[1].stamp, start + 1);
  EXPECT_EQ(log[1].shard, 2U);
  EXPECT_EQ(log[1].value, "two");
  EXPECT_EQ(log[1].time, clock.now());
}

TEST(Committer, NeverReusesAStampWhenTheClockIsSetBackAcrossAReopen) {
  MemoryStore store;
  Stamp before = 0;
  Time time_before{};
  {
    const millrace::testing::VirtualScheduler clock;
    auto committer = Committer::start(store, clock).value();
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(commit(*committer, record(1, "r")));
    before = committer->next_stamp();
    time_before = clock.now();
    // The log is emptied: the head must not be derived from it.
    WriteBatch empty;
    empty.erase_range(Family::kLog, "", "\xff");
    EXPECT_TRUE(commit(*committer, std::move(empty)));
  }
  const millrace::testing::VirtualScheduler earlier(from_unix_ms(1000));
  auto committer = Committer::start(store, earlier).value();
  EXPECT_EQ(committer->next_stamp(), before);
  EXPECT_TRUE(commit(*committer, record(1, "late")));
  EXPECT_GT(committer->next_stamp(), before + 1);
  committer->stop();
  std::vector<std::string> keep;
  const auto log = log_of(store, keep);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(log[0].time, time_before);
}

TEST(Committer, KeepsAPlaceBelowLaterRecordsThoughNothingWasLoggedBeforeTheClockWasSetBack) {
  MemoryStore store;
  Stamp shown = 0;
  {
    const millrace::testing::VirtualScheduler ahead;
    auto committer = Committer::start(store, ahead).value();
    EXPECT_EQ(committer->next_stamp(), 1U);  // what is not durable is not shown
    WriteBatch batch;
    batch.put_stamped(Family::kCatalogue, "place", "");
    EXPECT_TRUE(commit(*committer, std::move(batch)));
    shown = committer->next_stamp();
    EXPECT_EQ(shown, first_stamp(ahead));
    EXPECT_TRUE(commit(*committer, put("more")));
    EXPECT_EQ(committer->next_stamp(), shown);
  }
  const Stamp place = read_be64(store.get(Family::kCatalogue, "place").value().value());
  const millrace::testing::VirtualScheduler earlier(from_unix_ms(1000));
  auto committer = Committer::start(store, earlier).value();
  EXPECT_EQ(committer->next_stamp(), shown);
  EXPECT_TRUE(commit(*committer, record(1, "late")));
  committer->stop();
  std::vector<std::string> keep;
  const auto log = log_of(store, keep);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_GE(log[0].stamp, place);
  EXPECT_GE(log[0].stamp, shown);
}

TEST(Committer, NeverReusesAStampThatWasGivenOutAfterABackupThatIsRestored) {
  const millrace::testing::VirtualScheduler clock;
  MemoryStore store;
  MemoryStore backup;
  auto committer = Committer::start(store, clock).value();
  ASSERT_TRUE(commit(*committer, record(1, "before")));
  WriteBatch copy;
  copy.put(Family::kCatalogue, "store/head", store.get(Family::kCatalogue, "store/head").value().value());
  ASSERT_TRUE(backup.write(copy, Store::Sync::kSynced).ok());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(commit(*committer, record(1, "after")));
  ASSERT_TRUE(raise_head(backup).ok());
  const millrace::testing::VirtualScheduler earlier(from_unix_ms(1000));
  auto restored = Committer::start(backup, earlier).value();
  EXPECT_GT(restored->next_stamp(), committer->next_stamp());
}

TEST(Committer, SumsCountersWithinAndAcrossGroups) {
  MemoryStore store;
  const millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(store, clock).value();
  for (int i = 0; i < 10; ++i) {
    WriteBatch batch;
    batch.add("tables/count", 3);
    batch.add("tables/count", -1);
    committer->submit(std::move(batch));
  }
  WriteBatch dropped;
  dropped.add("tables/gone", 5);
  dropped.erase(Family::kCatalogue, "tables/gone");
  committer->submit(std::move(dropped));
  WriteBatch again;
  again.add("tables/again", 5);
  again.erase_range(Family::kCatalogue, "tables/a", "tables/b");
  again.add("tables/again", -2);
  committer->submit(std::move(again));
  committer->stop();
  EXPECT_EQ(counter(store, "tables/count"), 20);
  EXPECT_EQ(counter(store, "tables/again"), -2);
  EXPECT_EQ(store.get(Family::kCatalogue, "tables/gone").value(), std::nullopt);
}

TEST(Committer, TellsABatchItsPlaceInTheLog) {
  MemoryStore store;
  const millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(store, clock).value();
  const Stamp start = first_stamp(clock);
  committer->submit(record(1, "before"));
  std::vector<std::string> events;
  WriteBatch inner;
  inner.on_commit(
      [&](const Committed& committed) { events.push_back("inner " + std::to_string(committed.next_stamp - start)); });
  WriteBatch batch;
  batch.on_commit([&](const Committed&) { events.emplace_back("outer"); });
  batch.put_stamped(Family::kCatalogue, "place", "x");
  batch.log(1, "own");
  batch.append(std::move(inner));
  committer->submit(std::move(batch), [&](const Committed&) { events.emplace_back("submitter"); });
  committer->submit(record(1, "after"));
  committer->stop();
  const std::string place = store.get(Family::kCatalogue, "place").value().value();
  EXPECT_EQ(place.substr(0, 1), "x");
  EXPECT_EQ(read_be64(place.substr(1)), start + 2);
  EXPECT_THAT(events, ElementsAre("outer", "inner 2", "submitter"));
}

TEST(Committer, FailsTheGroupAndEverythingAfterItUntilRestart) {
  MemoryStore store;
  const millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(store, clock).value();
  EXPECT_TRUE(commit(*committer, put("good")));
  const Stamp head = committer->next_stamp();
  store.fail_write_after(0);
  EXPECT_FALSE(commit(*committer, record(1, "lost")));
  store.heal();
  EXPECT_FALSE(commit(*committer, put("after")));
  ASSERT_TRUE(committer->failure());
  EXPECT_TRUE(committer->failure()->is(kStorageFailed));
  EXPECT_THAT(committer->failure()->message(), HasSubstr("read-only until the server is restarted"));
  EXPECT_EQ(committer->durable(), 1U);
  EXPECT_EQ(committer->next_stamp(), head);
  bool failed = false;
  committer->when_durable(2, [&](const Error* error) { failed = error != nullptr; });
  EXPECT_TRUE(failed);
  committer->stop();
  EXPECT_EQ(store.count(Family::kItems), 1U);
}

TEST(Committer, StopsWritingWhenASyncBesideTheStoreFails) {
  MemoryStore store;
  const millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(store, clock).value();
  EXPECT_TRUE(commit(*committer, put("before")));
  committer->fail(Error(kStorageFailed, "cannot sync objects/01: Input/output error"));
  committer->fail(Error(kStorageFailed, "and again"));
  const auto refused = committer->refusal(Commits::Purpose::kFrees);
  ASSERT_TRUE(refused);
  EXPECT_THAT(refused->message(), HasSubstr("cannot sync objects/01"));
  EXPECT_FALSE(commit(*committer, put("after")));
  bool failed = false;
  committer->when_answerable(2, [&](const Error* error) { failed = error != nullptr; });
  EXPECT_TRUE(failed);
  EXPECT_EQ(store.count(Family::kItems), 1U);
}

TEST(Committer, FailsAGroupWhoseCounterCannotBeRead) {
  MemoryStore store;
  const millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(store, clock).value();
  store.fail_read_after(0);
  WriteBatch batch;
  batch.add("c", 1);
  EXPECT_FALSE(commit(*committer, std::move(batch)));
  EXPECT_EQ(store.writes(), 0U);
}

TEST(Committer, IsAllOrNothingAndReusesNoStampWhicheverWriteFails) {
  for (const auto outcome : {MemoryStore::Outcome::kNotApplied, MemoryStore::Outcome::kApplied}) {
    for (std::uint64_t n = 0; n < 6; ++n) {
      MemoryStore store;
      const millrace::testing::VirtualScheduler clock;
      int acknowledged = 0;
      {
        auto committer = Committer::start(store, clock).value();
        store.fail_write_after(n, outcome);
        for (int i = 0; i < 5; ++i) {
          WriteBatch batch = put("k" + std::to_string(i));
          batch.log(1, "k" + std::to_string(i));
          batch.add("count", 1);
          acknowledged += commit(*committer, std::move(batch)) ? 1 : 0;
        }
      }
      EXPECT_EQ(acknowledged, static_cast<int>(std::min<std::uint64_t>(n, 5)));
      store.heal();
      auto committer = Committer::start(store, clock).value();
      std::vector<std::string> keep;
      const auto log = log_of(store, keep);
      const std::size_t there = store.count(Family::kItems);
      EXPECT_GE(there, static_cast<std::size_t>(acknowledged));
      EXPECT_EQ(log.size(), there);
      EXPECT_EQ(counter(store, "count"), static_cast<std::int64_t>(there));
      if (!log.empty()) {
        EXPECT_GT(committer->next_stamp(), log.back().stamp);
      }
    }
  }
}

TEST(Committer, RefusesADamagedHead) {
  const std::string sound = std::string(7, '\0') + "\1";
  const std::string beyond(8, '\xff');  // a stamp after which they would begin anew
  const std::string far = "\x7f" + std::string(7, '\xff');
  const std::string past = "\x80" + std::string(7, '\0');
  for (const std::string& head : {std::string("xyz"), beyond + sound, far + sound, sound + far, sound + past}) {
    MemoryStore store;
    WriteBatch damage;
    damage.put(Family::kCatalogue, "store/head", head);
    ASSERT_TRUE(store.write(damage, Store::Sync::kSynced).ok());
    const millrace::testing::VirtualScheduler clock;
    const auto started = Committer::start(store, clock);
    ASSERT_FALSE(started.ok()) << ::testing::PrintToString(head);
    EXPECT_THAT(started.error().message(), HasSubstr("damaged"));
  }
}

TEST(Committer, DrainsOnStopAndRefusesWhatComesLater) {
  GatedStore store;
  const millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(store, clock).value();
  int durable = 0;
  for (int i = 0; i < 5; ++i) {
    committer->submit(put(std::to_string(i)),
                      [&](const Committed& committed) { durable += committed.error == nullptr; });
  }
  store.permit(5);
  committer->stop();
  EXPECT_EQ(durable, 5);
  bool refused = false;
  const CommitNumber late =
      committer->submit(put("late"), [&](const Committed& committed) { refused = committed.error->is(kUnavailable); });
  EXPECT_TRUE(refused);
  refused = false;
  committer->when_durable(late, [&](const Error* error) { refused = error != nullptr; });
  EXPECT_TRUE(refused);
}

TEST(Committer, KeepsEachThreadsOrderUnderConcurrency) {
  MemoryStore store;
  const millrace::testing::VirtualScheduler clock;
  auto committer = Committer::start(store, clock).value();
  constexpr int kThreads = 8;
  constexpr int kEach = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        WriteBatch batch = record(static_cast<std::uint64_t>(t), std::to_string(i));
        batch.add("total", 1);
        committer->submit(std::move(batch));
        if (i % 100 != 0) continue;
        EXPECT_TRUE(commit(*committer, put("k" + std::to_string(t))));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  committer->stop();
  EXPECT_EQ(counter(store, "total"), kThreads * kEach);
  std::vector<std::string> keep;
  std::vector<int> next(kThreads, 0);
  for (const LogRecord& one : log_of(store, keep)) {
    EXPECT_EQ(one.value, std::to_string(next[one.shard]++));
  }
  EXPECT_THAT(next, ::testing::Each(kEach));
}

}  // namespace
}  // namespace millrace::storage
