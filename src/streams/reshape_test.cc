#include "streams/reshape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "streams/fixture_test.h"

namespace millrace::streams {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Milliseconds kDay = 24h;

class ReshapePlanTest : public ::testing::Test {
 protected:
  ReshapePlanTest() {
    add(1, 0, 99);
    add(2, 100, kHashMax);
    stream.initial_shards = 1;
  }
  void add(std::uint64_t number, std::uint64_t from, std::uint64_t to, Time created = Time{}) {
    Shard shard;
    shard.number = ShardNumber(number);
    shard.id = "shardId-" + std::to_string(number);
    shard.hash_from = from;
    shard.hash_to = to;
    shard.created = created;
    stream.shards.push_back(shard);
  }
  ReshapePlan plan(const ShardLoads& loads, Time now, Milliseconds elapsed = 1min) const {
    return plan_reshapes(stream, loads, policy, kDay, elapsed, now);
  }
  std::vector<std::string> changes(const ShardLoads& loads, Time now, Milliseconds elapsed = 1min) const {
    std::vector<std::string> out;
    for (const Reshape& change : plan(loads, now, elapsed).changes) {
      std::string text = change.kind == Reshape::Kind::kRoll    ? "roll"
                         : change.kind == Reshape::Kind::kSplit ? "split"
                                                                : "merge";
      for (const ShardNumber shard : change.shards) text += " " + std::to_string(shard.value());
      out.push_back(std::move(text));
    }
    return out;
  }

  Stream stream;
  ReshapePolicy policy;
  const ShardNumber one{1}, two{2};
};

TEST_F(ReshapePlanTest, RollsShardsWithRecordsAfterFourHours) {
  const ShardLoads loads = {{one, {1, 1, false}}, {two, {0, 0, true}}};
  EXPECT_THAT(changes(loads, Time{} + 4h - 1ms), IsEmpty());
  EXPECT_EQ(plan(loads, Time{} + 1h).next, Time{} + 4h);
  EXPECT_THAT(changes(loads, Time{} + 4h), ElementsAre("roll 1"));
  policy.roll_after = 0h;
  EXPECT_THAT(changes(loads, Time{} + 4h), IsEmpty());
}

TEST_F(ReshapePlanTest, SplitsAShardThatGetsMoreThanTheThreshold) {
  EXPECT_THAT(changes({{one, {30000, 30000}}}, Time{} + 1h), IsEmpty());
  EXPECT_THAT(changes({{one, {30000, 30001}}}, Time{} + 1h), ElementsAre("split 1"));
  EXPECT_THAT(changes({{one, {30000, 30001}}}, Time{} + 1h, 2min), IsEmpty()) << "over a longer time";
  EXPECT_THAT(changes({{one, {60001, 0}}}, Time{} + 1h), IsEmpty()) << "a half would have all of it";
  EXPECT_THAT(changes({{one, {30000, 30001}}}, Time{} + 5h), ElementsAre("split 1", "roll 2"))
      << "no shard is changed twice";
  policy.split_rate = 0;
  EXPECT_THAT(changes({{one, {30000, 30001}}}, Time{} + 1h), IsEmpty());
}

TEST_F(ReshapePlanTest, SplitsNoFurtherThanItsLimit) {
  policy.shards_max = 3;
  EXPECT_THAT(changes({{one, {90000, 90000}}, {two, {90000, 90000}}}, Time{} + 1h), ElementsAre("split 1"));
}

TEST_F(ReshapePlanTest, MergesAShardThatHasBeenSilentForTheRetention) {
  policy.roll_after = 0h;
  const ShardLoads silent = {{one, {0, 0, true}}, {two, {5, 5, false}}};
  EXPECT_THAT(changes(silent, Time{} + 23h), IsEmpty());
  EXPECT_EQ(plan(silent, Time{} + 23h).next, Time{} + 24h);
  EXPECT_THAT(changes(silent, Time{} + 24h), ElementsAre("merge 1 2")) << "the one with records is told to readers";
  EXPECT_THAT(changes({{one, {5, 5, false}}, {two, {0, 0, true}}}, Time{} + 24h), ElementsAre("merge 2 1"));
  EXPECT_THAT(changes({{one, {0, 0, false}}, {two, {5, 5, false}}}, Time{} + 24h), IsEmpty()) << "both can be read";
  EXPECT_THAT(changes({{one, {0, 0, true}}, {two, {15000, 15000, false}}}, Time{} + 24h), IsEmpty()) << "busy";
  stream.initial_shards = 2;
  EXPECT_THAT(changes(silent, Time{} + 24h), IsEmpty()) << "never below what the stream began with";
}

TEST_F(ReshapePlanTest, LeavesADisabledStreamAlone) {
  stream.closed = Time{} + 1h;
  EXPECT_THAT(changes({{one, {90000, 90000}}}, Time{} + 30h), IsEmpty());
}

TEST_F(ReshapePlanTest, ChoosesWhatACommandMeans) {
  add(3, 100, 200);
  stream.shards[1].hash_from = 201;
  using Kind = Reshape::Kind;
  EXPECT_THAT(choose_reshape(stream, Kind::kRoll, "")->shards, IsEmpty());
  EXPECT_THAT(choose_reshape(stream, Kind::kRoll, "shardId-3")->shards, ElementsAre(ShardNumber(3)));
  EXPECT_THAT(choose_reshape(stream, Kind::kSplit, "")->shards, ElementsAre(two));
  EXPECT_THAT(choose_reshape(stream, Kind::kSplit, "shardId-1")->shards, ElementsAre(one));
  EXPECT_THAT(choose_reshape(stream, Kind::kMerge, "")->shards, ElementsAre(one, ShardNumber(3)));
  EXPECT_THAT(choose_reshape(stream, Kind::kMerge, "shardId-2")->shards, ElementsAre(two, ShardNumber(3)));
  EXPECT_FALSE(choose_reshape(stream, Kind::kSplit, "shardId-9").ok());
  stream.shards.resize(1);
  EXPECT_FALSE(choose_reshape(stream, Kind::kMerge, "").ok());
}

class LivingTest : public StreamsFixture {
 protected:
  // As tables does it, but for its lock.
  void live() {
    streams->set_reshaper([this](const Stream& stream, const Reshape& change) {
      storage::WriteBatch batch;
      ASSERT_TRUE(streams->reshape(stream.id, change, batch).ok());
      commits->submit(std::move(batch));
    });
    scheduler.run_ready();
  }
};

TEST_F(LivingTest, AShardRollsFourHoursAfterItsCreationOnceItHasRecords) {
  live();
  const Opened opened = open(2);
  scheduler.advance(30h);
  EXPECT_EQ(streams->find(opened.id)->shards.size(), 2U) << "nothing was ever written";
  write(opened.id, "a", 0);
  scheduler.advance(1min);
  EXPECT_EQ(streams->find(opened.id)->shards.size(), 3U);
  scheduler.advance(23h);
  EXPECT_EQ(streams->find(opened.id)->shards.size(), 3U) << "the child is empty";
  write(opened.id, "b", 0);
  scheduler.advance(1min);
  EXPECT_EQ(streams->find(opened.id)->shards.size(), 4U);
}

TEST_F(LivingTest, ALoadedShardSplitsAndSilentOnesMergeAgainAfterTheRetention) {
  live();
  const Opened opened = open(1);
  for (int i = 0; i < 61000; ++i) (void)streams->shard_for(opened.id, i % 2 == 0 ? 0 : kHashMax);
  write(opened.id, "low", 0);
  write(opened.id, "high", kHashMax);
  scheduler.advance(1min);
  ASSERT_EQ(streams->find(opened.id)->shards.size(), 3U);
  write(opened.id, "low", 0);
  scheduler.advance(26h);  // the root is trimmed; both children have rolled or are empty
  write(opened.id, "low", 0);
  scheduler.advance(26h);
  write(opened.id, "low", 0);
  scheduler.advance(1min);
  const Stream after = *streams->find(opened.id);
  EXPECT_EQ(std::count_if(after.shards.begin(), after.shards.end(), [](const Shard& one) { return one.is_open(); }), 1);
}

TEST_F(LivingTest, NothingIsWaitedForWhileNothingIsWritten) {
  open(2);
  live();
  scheduler.advance(1min);
  EXPECT_EQ(scheduler.timer_count(), 0U);
}

}  // namespace
}  // namespace millrace::streams
