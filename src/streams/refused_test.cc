// Writing that has stopped: a failed sync with a change of a stream in flight, and trimming meanwhile.
#include <algorithm>

#include "storage/log_key.h"
#include "streams/fixture_test.h"

namespace millrace::streams {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class RefusedTest : public StreamsFixture {
 protected:
  // Submits what `change` adds to a batch; its sync fails.
  void refuse(const std::function<void(storage::WriteBatch&)>& change) {
    storage::WriteBatch batch;
    change(batch);
    store.fail_write_after(0);
    commits->submit(std::move(batch));
    commits->run_deferred();
    scheduler.run_ready();
  }
};

TEST_F(RefusedTest, AStreamThatWasBeingClosedIsOpen) {
  const StreamId id = open(2).id;
  write(id, "a");
  ASSERT_TRUE(streams->set_chaos(id, {.duplicates = 0.5}).ok());
  refuse([&](storage::WriteBatch& batch) { streams->close(id, batch); });
  scheduler.advance(std::chrono::hours(25));
  const auto found = streams->find(id);
  ASSERT_TRUE(found.has_value()) << "it is not forgotten either";
  EXPECT_TRUE(found->is_enabled());
  EXPECT_EQ(found->chaos.duplicates, 0.5);
  EXPECT_TRUE(std::all_of(found->shards.begin(), found->shards.end(), [](const Shard& s) { return s.is_open(); }));
  EXPECT_TRUE(streams->shard_for(id, 0).has_value());
}

TEST_F(RefusedTest, ARefusedOpeningLeavesNothing) {
  const StreamId kept = open(1, "Kept").id;
  write(kept, "a");
  Opened opened;
  refuse([&](storage::WriteBatch& batch) {
    OpenRequest request{.scope = {}, .table_name = "New", .table_id = "id", .shard_count = 2};
    opened = streams->open(request, batch);
  });
  EXPECT_FALSE(streams->find(opened.arn).has_value());
  EXPECT_FALSE(streams->shard_for(opened.id, 0).has_value());
  EXPECT_THAT(streams->list({}), SizeIs(1));
  EXPECT_THAT(values(read(shard(kept).number)), ElementsAre("a"));
}

TEST_F(RefusedTest, ShardsThatWereBeingSplitAreWhole) {
  const StreamId id = open().id;
  write(id, "a");
  const ShardNumber only = shard(id).number;
  refuse([&](storage::WriteBatch& batch) {
    ASSERT_TRUE(streams->reshape(id, {Reshape::Kind::kSplit, {only}}, batch).ok());
  });
  EXPECT_THAT(streams->find(id)->shards, SizeIs(1));
  EXPECT_EQ(streams->shard_for(id, ~0ULL), only.value());
  const Page page = read(only);
  EXPECT_THAT(values(page), ElementsAre("a"));
  EXPECT_FALSE(page.end_of_shard);
}

TEST_F(RefusedTest, ARetentionIsTheOneBefore) {
  const StreamId id = open().id;
  write(id, "a");
  refuse(
      [&](storage::WriteBatch& batch) { ASSERT_TRUE(streams->set_retention(id, std::chrono::hours(1), batch).ok()); });
  scheduler.advance(std::chrono::hours(2));
  EXPECT_FALSE(streams->find(id)->retention.has_value());
  EXPECT_THAT(values(read(shard(id).number)), ElementsAre("a"));
}

TEST_F(RefusedTest, AForgottenStreamThatCouldNotBeForgottenIsThereAfterAStart) {
  const StreamId id = open().id;
  close(id);
  store.fail_write_after(0);
  scheduler.advance(std::chrono::hours(25));
  commits->run_deferred();
  scheduler.run_ready();
  EXPECT_FALSE(streams->find(id).has_value()) << "its time is over all the same";
  store.heal();
  restart();
  scheduler.run_ready();
  EXPECT_FALSE(streams->find(id).has_value());
}

TEST_F(RefusedTest, OnAFullDiskNothingIsForgottenBeforeThereIsRoom) {
  const StreamId id = open().id;
  close(id);
  const std::size_t records = store.count(storage::Family::kCatalogue);
  store.set_room(storage::Room::Level::kNone);
  const auto writes = store.writes();
  scheduler.advance(std::chrono::hours(48));
  EXPECT_EQ(store.writes(), writes);
  EXPECT_FALSE(streams->find(id).has_value()) << "nobody is shown what is too old";
  EXPECT_LE(scheduler.timer_count(), 1U) << "and nothing spins";
  store.set_room(storage::Room::Level::kPlenty);
  commits->tell_accepting();
  scheduler.run_ready();
  EXPECT_LT(store.count(storage::Family::kCatalogue), records);
}

TEST_F(RefusedTest, ARefusedCutOfTheLogShowsAllThatIsThere) {
  StreamsOptions options;
  options.bytes_max = 40000 * 4;
  options.log_bytes = [this](std::string_view from) {
    std::uint64_t bytes = 0;
    const auto all = store.iterate(storage::Family::kLog, {});
    for (all->seek(from); all->valid(); all->next()) bytes += 4;
    return bytes;
  };
  auto loaded = Streams::load(store, *commits, scheduler, random, options);
  ASSERT_TRUE(loaded.ok());
  streams = std::move(loaded).value();
  const StreamId id = open().id;
  const Stamp first = commits->next_stamp();
  commits->hold();
  fill(id, 100'000);
  commits->commit_all();
  store.fail_write_after(0);
  scheduler.run_ready();  // the log is too long
  commits->release();
  commits->run_deferred();
  scheduler.run_ready();
  const Page page = read(shard(id).number, first, {.records = 1});
  EXPECT_FALSE(page.trimmed);
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_EQ(page.records[0].stamp, first + 1);
}

TEST_F(RefusedTest, ShardsDoNotChangeByThemselvesBeforeThereIsRoom) {
  const StreamId id = open().id;
  int asked = 0;
  streams->set_reshaper([&](const Stream&, const Reshape&) { ++asked; });
  write(id, "a");
  scheduler.run_ready();
  store.set_room(storage::Room::Level::kNone);
  scheduler.advance(std::chrono::hours(5));  // AWS: shards are rolled after about four
  EXPECT_EQ(asked, 0);
  store.set_room(storage::Room::Level::kPlenty);
  commits->tell_accepting();
  scheduler.run_ready();
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace millrace::streams
