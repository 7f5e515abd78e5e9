#include "streams/streams.h"

#include <limits>
#include <set>
#include <thread>

#include "storage/group_committer.h"
#include "streams/fixture_test.h"
#include "streams/internal/catalogue.h"

namespace millrace::streams {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StreamsTest : public StreamsFixture {};

TEST_F(StreamsTest, OpensWithEqualHashRangesThatCoverAllKeys) {
  const Opened opened = open(3);
  EXPECT_EQ(opened.label, "2026-01-01T00:00:00.000");
  EXPECT_EQ(opened.arn, "arn:aws:dynamodb:us-east-1:000000000000:table/Orders/stream/2026-01-01T00:00:00.000");
  const Stream stream = *streams->find(opened.arn);
  ASSERT_EQ(stream.shards.size(), 3U);
  EXPECT_EQ(stream.shards[0].hash_from, 0U);
  EXPECT_EQ(stream.shards[2].hash_to, kHashMax);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(stream.shards[i].hash_to + 1, stream.shards[i + 1].hash_from);
  for (const Shard& one : stream.shards) {
    EXPECT_EQ(streams->shard_for(opened.id, one.hash_from), one.number.value());
    EXPECT_EQ(streams->shard_for(opened.id, one.hash_to), one.number.value());
    EXPECT_THAT(one.id, ::testing::MatchesRegex("shardId-00000001767225600000-[0-9a-f]{8}"));
  }
}

TEST_F(StreamsTest, MakesLabelsUnique) {
  EXPECT_NE(open().arn, open().arn);
  EXPECT_EQ(streams->list({}, "Orders").size(), 2U);
}

TEST_F(StreamsTest, ReadsInOrderWithinLimitsAndGoesOnWhereItStopped) {
  const Opened opened = open();
  for (int i = 0; i < 5; ++i) write(opened.id, "r" + std::to_string(i));
  const ShardNumber number = shard(opened.id).number;
  Page page = read(number, 0, {.records = 2, .bytes = 1000});
  EXPECT_THAT(values(page), ElementsAre("r0", "r1"));
  EXPECT_TRUE(page.more);
  page = read(number, page.read_to, {.records = 10, .bytes = 3});
  EXPECT_THAT(values(page), ElementsAre("r2"));  // two would be four bytes
  page = read(number, page.read_to, {.records = 10, .bytes = 1});
  EXPECT_THAT(values(page), ElementsAre("r3"));  // one is always taken
  page = read(number, page.read_to);
  EXPECT_THAT(values(page), ElementsAre("r4"));
  EXPECT_FALSE(page.more);
  EXPECT_EQ(page.read_to, streams->head());
  EXPECT_EQ(streams->backlog(number, 0, 100).value(), 5U);
  EXPECT_EQ(streams->backlog(number, 0, 3).value(), 3U);
  EXPECT_EQ(streams->backlog(number, page.read_to, 3).value(), 0U);
}

TEST_F(StreamsTest, ReadsThousandsOfRecordsAcrossBucketsAndShards) {
  const Opened opened = open(2);
  const Opened other = open(1, "Noise");
  const ShardNumber low = shard(opened.id, 0).number;
  const ShardNumber high = shard(opened.id, 1).number;
  write(opened.id, "low 0", 0);
  write(opened.id, "high 0", kHashMax);
  for (int round = 1; round <= 3; ++round) {
    fill(other.id, 40000);
    write(opened.id, "high " + std::to_string(round), kHashMax);
    fill(opened.id, 700, 0);
  }
  std::vector<std::string> seen;
  std::size_t low_count = 0;
  for (Page page; page.more || page.read_to == 0;) {
    page = read(high, page.read_to, {.records = 2, .bytes = 100});
    for (const LogRecord& record : page.records) seen.push_back(record.value);
  }
  EXPECT_THAT(seen, ElementsAre("high 0", "high 1", "high 2", "high 3"));
  Stamp last = 0;
  for (Page page; page.more || page.read_to == 0;) {
    page = read(low, page.read_to);
    for (const LogRecord& record : page.records) {
      EXPECT_GT(record.stamp, last);
      last = record.stamp;
    }
    low_count += page.records.size();
  }
  EXPECT_EQ(low_count, 2101U);
  restart();  // memory has forgotten where the shards' records are
  EXPECT_EQ(streams->backlog(high, 0, 100).value(), 4U);
  EXPECT_EQ(streams->backlog(low, 0, 10000).value(), 2101U);
}

TEST_F(StreamsTest, AnswersAtTheTailWithoutTouchingTheStore) {
  const Opened opened = open(2);
  write(opened.id, "r", 0);
  const ShardNumber low = shard(opened.id, 0).number;
  const ShardNumber high = shard(opened.id, 1).number;
  const Stamp tail = read(low).read_to;
  const std::uint64_t reads = store.reads();
  EXPECT_EQ(read(low, tail).read_to, tail);
  EXPECT_EQ(read(high).read_to, tail);
  EXPECT_EQ(store.reads(), reads);
}

TEST_F(StreamsTest, ShowsOnlyWhatIsDurable) {
  const Opened opened = open();
  commits->hold();
  write(opened.id, "r");
  const ShardNumber number = shard(opened.id).number;
  const Stamp position = read(number).read_to;
  EXPECT_THAT(values(read(number)), IsEmpty());
  commits->release();
  EXPECT_THAT(values(read(number, position)), ElementsAre("r"));
}

TEST_F(StreamsTest, ClosesInTheCallersBatchAndNotBeforeItCommits) {
  const Opened opened = open();
  write(opened.id, "r");
  const ShardNumber number = shard(opened.id).number;
  commits->hold();
  write(opened.id, "last");
  storage::WriteBatch batch;
  streams->close(opened.id, batch);
  commits->submit(std::move(batch));
  EXPECT_EQ(streams->shard_for(opened.id, 0), std::nullopt);
  EXPECT_FALSE(shard(opened.id).end);
  EXPECT_FALSE(read(number).end_of_shard);
  EXPECT_TRUE(as_committed(*streams->find(opened.id))->is_enabled());
  EXPECT_TRUE(as_committed(*streams->find(opened.id))->shards.at(0).is_open());
  commits->release();
  EXPECT_FALSE(streams->find(opened.id)->is_enabled());
  const Page page = read(number);
  EXPECT_THAT(values(page), ElementsAre("r", "last"));
  EXPECT_TRUE(page.end_of_shard);
  EXPECT_EQ(shard(opened.id).end, page.records.back().stamp);
  EXPECT_TRUE(read(number, page.read_to).end_of_shard);
  storage::WriteBatch nothing;
  streams->close(opened.id, nothing);
  EXPECT_TRUE(nothing.empty());
}

TEST_F(StreamsTest, KeepsStreamsShardsAndLineageAcrossARestart) {
  const Opened opened = open(2);
  write(opened.id, "old", 0);
  storage::WriteBatch batch;
  ASSERT_TRUE(streams->reshape(opened.id, {Reshape::Kind::kSplit, {shard(opened.id, 0).number}}, batch).ok());
  commits->submit(std::move(batch));
  write(opened.id, "new", 0);
  const Opened closed = open(1, "Closed");
  close(closed.id);
  const Stream before = *streams->find(opened.id);
  const Stream closed_before = *streams->find(closed.id);
  restart();
  const Stream after = *streams->find(opened.id);
  EXPECT_EQ(after.arn, before.arn);
  EXPECT_EQ(after.key_schema, before.key_schema);
  EXPECT_EQ(after.view, before.view);
  EXPECT_EQ(after.table_id, "id");
  ASSERT_EQ(after.shards.size(), before.shards.size());
  for (std::size_t i = 0; i < after.shards.size(); ++i) {
    const Shard& a = after.shards[i];
    const Shard& b = before.shards[i];
    EXPECT_EQ(
        std::tie(a.number, a.id, a.parent, a.parent_id, a.start, a.end, a.created, a.closed, a.hash_from, a.hash_to),
        std::tie(b.number, b.id, b.parent, b.parent_id, b.start, b.end, b.created, b.closed, b.hash_from, b.hash_to));
  }
  EXPECT_EQ(streams->find(closed.id)->closed, closed_before.closed);
  EXPECT_EQ(shard(closed.id).end, closed_before.shards[0].end);
  EXPECT_THAT(values(read(shard(opened.id, 0).number)), ElementsAre("old"));
  EXPECT_THAT(values(read(shard(opened.id, 2).number)), ElementsAre("new"));
  std::set<ShardNumber> numbers;
  for (const Shard& one : after.shards) numbers.insert(one.number);
  EXPECT_FALSE(numbers.contains(shard(open(1, "Third").id).number));
}

TEST_F(StreamsTest, SplitsAndRollsKeepingEveryKeysOrderThroughTheLineage) {
  const Opened opened = open();
  write(opened.id, "a", 5);
  storage::WriteBatch batch;
  ASSERT_TRUE(streams->reshape(opened.id, {Reshape::Kind::kSplit, {shard(opened.id).number}}, batch).ok());
  commits->submit(std::move(batch));
  write(opened.id, "b", 5);
  storage::WriteBatch roll;
  ASSERT_TRUE(streams->reshape(opened.id, {}, roll).ok());
  commits->submit(std::move(roll));
  write(opened.id, "c", 5);
  const Stream stream = *streams->find(opened.id);
  ASSERT_EQ(stream.shards.size(), 5U);
  std::vector<std::string> seen;
  for (std::optional<ShardNumber> at = stream.shards[0].number; at;) {
    const Page page = read(*at);
    for (const LogRecord& record : page.records) seen.push_back(record.value);
    std::optional<ShardNumber> next;
    for (const Shard& one : stream.shards) {
      if (one.parent == at && one.hash_from <= 5) {
        EXPECT_TRUE(page.end_of_shard);
        EXPECT_GT(one.start, page.read_to);
        next = one.number;
      }
    }
    at = next;
  }
  EXPECT_THAT(seen, ElementsAre("a", "b", "c"));
  storage::WriteBatch refused;
  EXPECT_TRUE(streams->reshape(opened.id, {Reshape::Kind::kSplit, {stream.shards[0].number}}, refused)
                  .error()
                  .is(kResourceNotFound));
  EXPECT_TRUE(streams->reshape(StreamId(999), {}, refused).error().is(kResourceNotFound));
  EXPECT_TRUE(refused.empty());
}

TEST_F(StreamsTest, WakesOnlyTheSubscribersOfThatStream) {
  const Opened opened = open(2);
  const Opened other = open(1, "Other");
  std::vector<std::string> events;
  auto subscription = streams->subscribe(opened.id, [&](const Wake& wake) {
    for (const ShardNumber number : wake.shards) events.push_back("records " + std::to_string(number.value()));
    if (wake.lineage) events.push_back("lineage");
  });
  write(other.id, "r");
  EXPECT_THAT(events, IsEmpty());
  write(opened.id, "r", kHashMax);
  EXPECT_THAT(events, ElementsAre("records " + std::to_string(shard(opened.id, 1).number.value())));
  close(opened.id);
  EXPECT_EQ(events.back(), "lineage");
  events.clear();
  auto second = streams->subscribe(other.id, [&](const Wake&) { events.push_back("second"); });
  second.end();
  write(other.id, "r");
  EXPECT_THAT(events, IsEmpty());
}

TEST_F(StreamsTest, NeverShowsARecordOlderThanItsRetention) {
  const Opened opened = open();
  const ShardNumber number = shard(opened.id).number;
  write(opened.id, "old");
  const Stamp old = read(number).read_to;
  scheduler.advance(23h);
  write(opened.id, "young");
  scheduler.advance(59min);
  EXPECT_THAT(values(read(number)), ElementsAre("old", "young"));
  scheduler.advance(1min);
  EXPECT_THAT(values(read(number)), ElementsAre("young"));
  EXPECT_FALSE(read(number).trimmed);          // from the oldest there is
  EXPECT_TRUE(read(number, old - 1).trimmed);  // wanted the old one
  EXPECT_FALSE(read(number, old).trimmed);     // had seen it
}

TEST_F(StreamsTest, DropsWholeDeadBucketsWhenDueAndDoesNotSpin) {
  const Opened opened = open();
  fill(opened.id, 40000);
  scheduler.advance(1h);
  fill(opened.id, 40000);
  EXPECT_EQ(store.count(storage::Family::kLog), 80000U);
  EXPECT_EQ(scheduler.timer_count(), 1U);
  scheduler.advance(24h - 1h - 1ms);
  EXPECT_EQ(store.count(storage::Family::kLog), 80000U);
  scheduler.advance(2h);
  const std::size_t left = store.count(storage::Family::kLog);
  EXPECT_LT(left, 32768U);
  EXPECT_EQ(read(shard(opened.id).number).records.size(), 0U);
  const std::uint64_t reads = store.reads();
  scheduler.advance(24h * 30);
  EXPECT_LT(store.reads() - reads, 20U);
  fill(opened.id, 40000);
  scheduler.advance(25h);
  EXPECT_LT(store.count(storage::Family::kLog), 40000U);
}

TEST_F(StreamsTest, TellsThatRecordsWereTrimmedWithTheirBucket) {
  const Opened opened = open();
  const ShardNumber number = shard(opened.id).number;
  fill(opened.id, 40000);
  const Stamp first = read(number, 0, {.records = 1, .bytes = 1}).read_to;
  scheduler.advance(25h);
  fill(opened.id, 33000);
  scheduler.advance(1h);
  EXPECT_TRUE(read(number, first).trimmed);
  EXPECT_EQ(read(number, first).records.size(), 1000U);
}

// A store that tells when it has reclaimed.
class Reclaiming final : public storage::Store {
 public:
  explicit Reclaiming(storage::Store& store) : store_(store) {}
  Result<void> write(const storage::WriteBatch& batch, Sync sync) override { return store_.write(batch, sync); }
  Result<std::optional<std::string>> get(storage::Family family, std::string_view key) const override {
    return store_.get(family, key);
  }
  std::unique_ptr<storage::Iterator> iterate(storage::Family family, storage::Bounds bounds) const override {
    return store_.iterate(family, bounds);
  }
  void reclaim(storage::Family family, std::string_view from, std::string_view to) override {
    store_.reclaim(family, from, to);
    if (reclaimed) reclaimed();
  }
  std::string statistics() const override { return store_.statistics(); }
  storage::Room room() const override { return store_.room(); }
  std::function<void()> reclaimed;

 private:
  storage::Store& store_;
};

TEST_F(StreamsTest, ReadersLoseNothingUnseenWhileBucketsGo) {
  Reclaiming watched(store);
  streams = Streams::load(watched, *commits, scheduler, random).value();
  const Opened quiet = open(1, "Quiet");
  const Opened busy = open(1, "Busy");
  const ShardNumber number = shard(quiet.id).number;
  write(quiet.id, "first");
  const Stamp position = read(number).read_to;
  write(quiet.id, "second");
  fill(busy.id, 70000);
  int reclaims = 0;
  watched.reclaimed = [&] {
    ++reclaims;
    EXPECT_TRUE(read(number, position).trimmed) << "the bucket is gone, and nobody has told";
  };
  scheduler.advance(25h);
  fill(busy.id, 33000);
  scheduler.advance(1h);
  EXPECT_GT(reclaims, 0);
  streams.reset();
}

TEST_F(StreamsTest, KnowsThatAQuietShardLostNothingWhenBucketsGo) {
  const Opened quiet = open(1, "Quiet");
  const Opened busy = open(1, "Busy");
  const ShardNumber number = shard(quiet.id).number;
  write(quiet.id, "first");
  const Stamp position = read(number).read_to;
  fill(busy.id, 70000);
  scheduler.advance(25h);
  fill(busy.id, 33000);
  scheduler.advance(1h);
  EXPECT_LT(store.count(storage::Family::kLog), 70000U);
  write(quiet.id, "second");
  const Page page = read(number, position);
  EXPECT_THAT(values(page), ElementsAre("second"));
  EXPECT_FALSE(page.trimmed);
  EXPECT_TRUE(read(number, position - 1).trimmed);  // "first" went with its bucket
}

TEST_F(StreamsTest, ForgetsADisabledStreamWithItsData) {
  const Opened opened = open();
  write(opened.id, "r");
  const ShardNumber number = shard(opened.id).number;
  close(opened.id);
  scheduler.advance(24h - 1ms);
  EXPECT_TRUE(streams->find(opened.arn));
  scheduler.advance(1ms);
  EXPECT_FALSE(streams->find(opened.arn));
  EXPECT_TRUE(streams->read(number, 0).error().is(kResourceNotFound));
  EXPECT_THAT(streams->list({}), IsEmpty());
  // Nothing is left but the counter of ids and the head.
  EXPECT_EQ(store.count(storage::Family::kCatalogue), 2U);
  restart();
  EXPECT_FALSE(streams->find(opened.arn));
}

TEST_F(StreamsTest, FiresOtherTimersBeforeItTrimsInAJump) {
  const Opened opened = open();
  const ShardNumber number = shard(opened.id).number;
  write(opened.id, "r");
  std::vector<std::string> delivered;
  auto window = scheduler.at(scheduler.now() + 5min, [&] { delivered = values(read(number)); });
  scheduler.advance(24h * 31);
  EXPECT_THAT(delivered, ElementsAre("r"));
  EXPECT_THAT(values(read(number)), IsEmpty());
}

TEST_F(StreamsTest, NamesADamagedCatalogueRecord) {
  open();
  storage::WriteBatch damage;
  damage.put(storage::Family::kCatalogue, std::string("streams/shard/") + std::string(7, '\0') + "\x09", "{}");
  ASSERT_TRUE(store.write(damage, storage::Store::Sync::kSynced).ok());
  const auto loaded = Streams::load(store, *commits, scheduler, random);
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.error().message(), HasSubstr("streams/shard/"));
}

TEST_F(StreamsTest, RefusesACatalogueWhereAKeyHasNoShardOrTwo) {
  const Opened stream = open(3);
  scheduler.run_ready();
  const auto loads_with = [&](std::size_t place, std::uint64_t from, std::uint64_t to) {
    Shard changed = shard(stream.id, place);
    changed.hash_from = from;
    changed.hash_to = to;
    storage::WriteBatch batch;
    put_shard(stream.id, changed, batch);
    commits->submit(std::move(batch));
    const auto loaded = Streams::load(store, *commits, scheduler, random);
    if (!loaded.ok()) {
      EXPECT_THAT(loaded.error().message(), HasSubstr("not every key has one open shard of " + stream.arn));
    }
    return loaded.ok();
  };
  const Shard first = shard(stream.id, 0);
  const Shard second = shard(stream.id, 1);
  const Shard last = shard(stream.id, 2);
  EXPECT_FALSE(loads_with(0, 1, first.hash_to)) << "the first hash";
  EXPECT_FALSE(loads_with(0, 0, first.hash_to - 1)) << "a hole";
  EXPECT_FALSE(loads_with(0, 0, first.hash_to + 1)) << "one hash twice";
  EXPECT_FALSE(loads_with(0, 0, last.hash_to)) << "all";
  EXPECT_TRUE(loads_with(0, 0, first.hash_to));
  EXPECT_FALSE(loads_with(1, first.hash_from, first.hash_to)) << "the same range";
  EXPECT_FALSE(loads_with(1, second.hash_to, second.hash_from)) << "the wrong way round";
  EXPECT_TRUE(loads_with(1, second.hash_from, second.hash_to));
  EXPECT_FALSE(loads_with(2, last.hash_from, last.hash_to - 1)) << "the last hash";
  EXPECT_TRUE(loads_with(2, last.hash_from, last.hash_to));
  storage::WriteBatch batch;
  for (const Shard& each : {first, second, last}) erase_shard(each, batch);
  commits->submit(std::move(batch));
  EXPECT_FALSE(Streams::load(store, *commits, scheduler, random).ok()) << "no shard at all";
}

TEST_F(StreamsTest, AnswersErrorsWhicheverReadFails) {
  const Opened opened = open();
  write(opened.id, "r");
  for (std::uint64_t n = 0;; ++n) {
    store.fail_read_after(n);
    const auto loaded = Streams::load(store, *commits, scheduler, random);
    if (loaded.ok()) {
      const auto page = (*loaded)->read(shard(opened.id).number, 0);
      if (!store.has_failed()) {
        EXPECT_EQ(page.value().records.size(), 1U);
        break;
      }
      EXPECT_FALSE(page.ok());
    }
    ASSERT_LT(n, 100U);
  }
  store.heal();
}

TEST_F(StreamsTest, LeavesNothingBehindAnOpenThatDidNotCommit) {
  store.fail_write_after(0);
  open();
  store.heal();
  restart();
  EXPECT_THAT(streams->list({}), IsEmpty());
  EXPECT_EQ(store.count(storage::Family::kCatalogue), 0U);
}

// Readers that follow writers and a reshaping thread, on the real committer.
TEST(StreamsConcurrency, EveryRecordIsReadExactlyOnceInOrder) {
  storage::MemoryStore store;
  millrace::testing::VirtualScheduler scheduler;
  platform::SeededRandom random{7};
  auto committer = storage::Committer::start(store, scheduler).value();
  auto streams = Streams::load(store, *committer, scheduler, random).value();
  storage::WriteBatch batch;
  const Opened opened = streams->open({.scope = {}, .table_name = "T", .table_id = "i", .shard_count = 2}, batch);
  committer->submit(std::move(batch));
  constexpr int kRecords = 400;
  std::mutex table;  // the latch between shard_for() and submit()
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRecords; ++i) {
        storage::WriteBatch one;
        const std::lock_guard lock(table);
        one.log(*streams->shard_for(opened.id, kHashMax / 4 * static_cast<std::uint64_t>(t)),
                std::to_string(t) + " " + std::to_string(i));
        committer->submit(std::move(one));
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 5; ++i) {
      storage::WriteBatch one;
      const std::lock_guard lock(table);
      ASSERT_TRUE(streams->reshape(opened.id, {}, one).ok());
      committer->submit(std::move(one));
      std::this_thread::yield();
    }
  });
  std::map<ShardNumber, Stamp> positions;
  std::set<ShardNumber> finished;
  std::vector<int> next(4, 0);
  int total = 0;
  while (total < 4 * kRecords) {
    const Stream stream = *streams->find(opened.id);
    for (const Shard& shard : stream.shards) {
      if (finished.contains(shard.number) || (shard.parent && !finished.contains(*shard.parent))) continue;
      const Page page = streams->read(shard.number, positions[shard.number]).value();
      positions[shard.number] = page.read_to;
      for (const LogRecord& record : page.records) {
        const int writer = record.value[0] - '0';
        EXPECT_EQ(record.value.substr(2), std::to_string(next[static_cast<std::size_t>(writer)]++));
        ++total;
      }
      if (page.end_of_shard) finished.insert(shard.number);
    }
  }
  for (auto& thread : threads) thread.join();
  committer->stop();
  EXPECT_THAT(next, ::testing::Each(kRecords));
}

TEST_F(StreamsTest, MergesTwoNeighboursIntoAChildOfBoth) {
  const Opened opened = open(3);
  const Shard low = shard(opened.id, 0);
  const Shard middle = shard(opened.id, 1);
  storage::WriteBatch batch;
  ASSERT_TRUE(streams->reshape(opened.id, {Reshape::Kind::kMerge, {low.number, middle.number}}, batch).ok());
  commits->submit(std::move(batch));
  for (const bool again : {false, true}) {
    if (again) restart();
    const Shard child = streams->find(opened.id)->shards.back();
    EXPECT_EQ(child.hash_from, low.hash_from);
    EXPECT_EQ(child.hash_to, middle.hash_to);
    EXPECT_EQ(child.parent_id, middle.id);
    EXPECT_EQ(child.second_parent_id, low.id);
    ASSERT_TRUE(child.second_parent.has_value());
    EXPECT_NE(*child.parent, *child.second_parent);
    EXPECT_EQ(streams->shard_for(opened.id, 0), child.number.value());
    EXPECT_EQ(streams->shard_for(opened.id, middle.hash_to), child.number.value());
    EXPECT_NE(streams->shard_for(opened.id, kHashMax), child.number.value());
  }
}

TEST_F(StreamsTest, RefusesToMergeWhatAreNotTwoOpenNeighbours) {
  const Opened opened = open(3);
  const auto merge = [&](std::vector<ShardNumber> shards) {
    storage::WriteBatch batch;
    const auto done = streams->reshape(opened.id, {Reshape::Kind::kMerge, std::move(shards)}, batch);
    EXPECT_TRUE(batch.empty());
    return done.error().message();
  };
  const ShardNumber low = shard(opened.id, 0).number;
  EXPECT_EQ(merge({low, shard(opened.id, 2).number}), "The shards are not neighbours");
  EXPECT_EQ(merge({low, low}), "The shards are not neighbours");
  EXPECT_EQ(merge({low}), "A merge takes two shards");
  EXPECT_EQ(merge({low, ShardNumber(999)}), "There is no such open shard");
}

TEST_F(StreamsTest, AMergedShardWaitsForTheParentThatReadersAreNotTold) {
  const Opened opened = open(2);
  write(opened.id, "low", 0);
  const std::vector<Shard> parents = streams->find(opened.id)->shards;
  storage::WriteBatch batch;
  ASSERT_TRUE(streams->reshape(opened.id, {Reshape::Kind::kMerge, {parents[0].number, parents[1].number}}, batch).ok());
  commits->submit(std::move(batch));
  const Shard child = streams->find(opened.id)->shards.back();
  EXPECT_TRUE(streams->waits_for_parent(child.number, 0));
  EXPECT_FALSE(streams->waits_for_parent(child.number, child.start)) << "who has begun goes on";
  streams->note_read_to_end(*child.parent);
  EXPECT_TRUE(streams->waits_for_parent(child.number, 0));
  streams->note_read_to_end(*child.second_parent);
  EXPECT_FALSE(streams->waits_for_parent(child.number, 0));
  restart();
  EXPECT_TRUE(streams->waits_for_parent(child.number, 0));
  scheduler.advance(kMergeHold);
  EXPECT_FALSE(streams->waits_for_parent(child.number, 0)) << "not for ever";
}

TEST_F(StreamsTest, AStreamMayHaveARetentionOfItsOwn) {
  const Opened longer = open(1, "Longer");
  const Opened usual = open(1, "Usual");
  storage::WriteBatch batch;
  ASSERT_TRUE(streams->set_retention(longer.id, 72h, batch).ok());
  commits->submit(std::move(batch));
  write(longer.id, "kept");
  write(usual.id, "gone");
  fill(usual.id, 40000);
  fill(usual.id, 40000);
  restart();
  scheduler.advance(71h);
  EXPECT_THAT(values(read(shard(longer.id).number)), ElementsAre("kept"));
  EXPECT_THAT(values(read(shard(usual.id).number)), IsEmpty());
  close(longer.id);
  scheduler.advance(71h);
  EXPECT_TRUE(streams->find(longer.id).has_value());
  scheduler.advance(1h);
  EXPECT_FALSE(streams->find(longer.id).has_value());
  EXPECT_FALSE(streams->set_retention(usual.id, 59min, batch).ok());
  EXPECT_FALSE(streams->set_retention(usual.id, 24h * 366, batch).ok());
  EXPECT_TRUE(streams->set_retention(StreamId(999), 24h, batch).error().is(kResourceNotFound));
}

TEST_F(StreamsTest, ABoundBySizeDropsTheOldestBuckets) {
  streams.reset();
  const auto bytes_from = [this](std::string_view from) {
    std::uint64_t bytes = 0;
    const auto it = store.iterate(storage::Family::kLog, {});
    for (it->seek(from); it->valid(); it->next()) bytes += it->value().size();
    return bytes;
  };
  StreamsOptions options;
  options.bytes_max = 50000 * 12;  // records are 12 bytes
  options.log_bytes = bytes_from;
  streams = Streams::load(store, *commits, scheduler, random, options).value();
  const Opened opened = open();
  for (int i = 0; i < 5; ++i) fill(opened.id, 32768);
  scheduler.run_ready();
  const std::uint64_t reclaims = store.reclaims();
  commits->hold();
  storage::WriteBatch next;
  for (int i = 0; i < 32768; ++i) next.log(*streams->shard_for(opened.id, 0), "last");
  commits->submit(std::move(next));
  commits->commit_one();
  scheduler.run_ready();
  EXPECT_EQ(commits->waiting(), 1U) << "the floor";
  EXPECT_EQ(store.reclaims(), reclaims) << "no file goes before its floor is durable";
  commits->release();
  scheduler.run_ready();
  EXPECT_GT(store.reclaims(), reclaims);
  EXPECT_LE(bytes_from(""), options.bytes_max + 32768 * 12);
  const ShardNumber number = shard(opened.id).number;
  const Stamp first = read(number).records.at(0).stamp;
  EXPECT_TRUE(read(number, first - 1000).trimmed) << "records were lost, and that can be seen";
  options.bytes_max = 0;
  streams.reset();
  streams = Streams::load(store, *commits, scheduler, random, options).value();
  EXPECT_EQ(read(number).records.at(0).stamp, first) << "what was dropped does not come back";
}

TEST_F(StreamsTest, ChaosOfImpossibleKindsIsRefused) {
  const Opened opened = open();
  EXPECT_TRUE(streams->set_chaos(opened.id, {.duplicates = 0.9, .throttles = 1}).ok());
  EXPECT_FALSE(streams->set_chaos(opened.id, {.duplicates = 0.95}).ok());
  EXPECT_FALSE(streams->set_chaos(opened.id, {.throttles = 1.5}).ok());
  EXPECT_FALSE(streams->set_chaos(opened.id, {.expired = -0.1}).ok());
  EXPECT_FALSE(streams->set_chaos(opened.id, {.delayed_children = -1ms}).ok());
  EXPECT_FALSE(streams->set_chaos(StreamId(999), {}).ok());
  EXPECT_DOUBLE_EQ(streams->find(opened.id)->chaos.duplicates, 0.9) << "a refusal changes nothing";
}

}  // namespace
}  // namespace millrace::streams
