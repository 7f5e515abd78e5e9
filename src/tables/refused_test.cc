// Writing that has stopped: a failed sync with a change of a table in flight, and background work meanwhile.
#include <gmock/gmock.h>

#include "codec/key.h"
#include "tables/expiry.h"
#include "tables/fixture_test.h"

namespace millrace::tables {
namespace {

using ::testing::ElementsAre;

class RefusedTest : public TablesTest {
 protected:
  RefusedTest() {
    create_sample();
    put(R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  }
  // The next sync fails; with it `change`.
  void refuse(const std::function<storage::CommitNumber()>& change) {
    store_.fail_write_after(0);
    const storage::CommitNumber after = change();
    EXPECT_GT(after, commits_->durable());
    bool told = false;
    commits_->when_durable(after, [&](const Error* error) { told = error != nullptr; });
    EXPECT_TRUE(told) << "who asked for it learns that nobody knows";
    commits_->run_deferred();
    scheduler_.run_ready();
  }
  bool is_shown(storage::CommitNumber after) const {
    return after <= commits_->durable() || commits_->is_settled(after, commits_->settlements());
  }
  // Of the table as the store has it.
  void expect_served() {
    const auto described = tables_->describe(scope_, "T");
    ASSERT_TRUE(described.ok()) << described.error().message();
    EXPECT_TRUE(is_shown(described->after));
    EXPECT_EQ(described->counts.items, 1);
    EXPECT_TRUE(described->info->stream->enabled);
    EXPECT_EQ(described->info->tags.size(), 0U);
    EXPECT_FALSE(described->info->ttl.enabled);
    EXPECT_EQ(described->info->indexes.size(), 2U);
    EXPECT_THAT(tables_->list(scope_, "", 10).names, ElementsAre("T"));
    EXPECT_NE(get(R"({"pk":{"S":"a"},"sk":{"N":"1"}})"), "");
    EXPECT_TRUE(tables_->readable(scope_, "T").ok());
    const auto missing = tables_->describe(scope_, "none");
    ASSERT_FALSE(missing.ok());
    EXPECT_TRUE(is_shown(missing.error().held_until()));
    const auto stream = streams_->find(streams::StreamId(described->info->stream->id));
    ASSERT_TRUE(stream.has_value());
    EXPECT_TRUE(stream->is_enabled());
    EXPECT_TRUE(std::all_of(stream->shards.begin(), stream->shards.end(), [](const auto& s) { return s.is_open(); }));
    EXPECT_EQ(stream->shards.size(), 1U);
    EXPECT_EQ(records().size(), 1U);
  }
};

TEST_F(RefusedTest, ADeletionLeavesTheTableAsItIs) {
  refuse([this] { return tables_->remove(scope_, "T")->after; });
  expect_served();
}

TEST_F(RefusedTest, ACreationLeavesNoTable) {
  refuse([this] { return tables_->create(scope_, sample("U"))->after; });
  expect_served();
  EXPECT_FALSE(tables_->readable(scope_, "U").ok());
  const auto described = tables_->describe(scope_, "U");
  ASSERT_FALSE(described.ok());
  EXPECT_TRUE(is_shown(described.error().held_until()));
  EXPECT_EQ(streams_->list(scope_).size(), 1U);
}

TEST_F(RefusedTest, SettingsAreThoseBefore) {
  refuse([this] { return *tables_->tag(scope_, "T", {{"a", "b"}}); });
  expect_served();
}

TEST_F(RefusedTest, TimeToLiveIsAsBefore) {
  refuse([this] { return *tables_->set_ttl(scope_, "T", "ttl", true); });
  expect_served();
}

TEST_F(RefusedTest, IndexesAreThoseBefore) {
  refuse([this] { return tables_->update(scope_, "T", create_by_city())->after; });
  expect_served();
}

TEST_F(RefusedTest, AStreamThatWasBeingDisabledIsEnabled) {
  UpdateRequest request;
  request.stream = StreamRequest{false, std::nullopt};
  refuse([&] { return tables_->update(scope_, "T", request)->after; });
  expect_served();
}

TEST_F(RefusedTest, ShardsThatWereBeingSplitAreWhole) {
  const auto choose = [](const streams::Stream& stream) -> Result<streams::Reshape> {
    return streams::Reshape{streams::Reshape::Kind::kSplit, {stream.shards[0].number}};
  };
  refuse([&] { return *tables_->reshape(scope_, "T", choose); });
  expect_served();
}

TEST_F(RefusedTest, ATableThatIsShownAsDeletingIsShownAsItIs) {
  options_.aws_timing = true;
  start();
  refuse([this] { return tables_->remove(scope_, "T")->after; });
  expect_served();
  EXPECT_EQ(tables_->describe(scope_, "T")->status, TableStatus::kActive);
}

TEST_F(RefusedTest, ItemsOfAFullDiskExpireWhenThereIsRoom) {
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
  scheduler_.run_ready();
  const auto at = std::to_string(to_unix_s(scheduler_.now()) + 10);
  put(R"({"pk":{"S":"a"},"sk":{"N":"2"},"ttl":{"N":")" + at + R"("}})");
  store_.set_room(storage::Room::Level::kNone);
  const auto writes = store_.writes();
  scheduler_.advance(Seconds(100));
  EXPECT_EQ(store_.writes(), writes);
  EXPECT_EQ(tables_->scan(scope_, "T", {})->count, 2U);
  EXPECT_EQ(scheduler_.busy().count(), 0) << "whoever settles does not wait for room";
  store_.set_room(storage::Room::Level::kPlenty);
  commits_->tell_accepting();
  scheduler_.run_ready();
  EXPECT_EQ(tables_->scan(scope_, "T", {})->count, 1U);
  EXPECT_EQ(tables_->next_expiry(), kNever);
}

TEST_F(RefusedTest, OldItemsOfAFullDiskGetTheirExpiryAndIndexesWhenThereIsRoom) {
  const auto at = std::to_string(to_unix_s(scheduler_.now()) - 10);
  put(R"({"pk":{"S":"a"},"sk":{"N":"2"},"city":{"S":"x"},"ttl":{"N":")" + at + R"("}})");
  put(R"({"pk":{"S":"a"},"sk":{"N":"3"},"city":{"S":"x"}})");
  commits_->hold();
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
  ASSERT_TRUE(tables_->update(scope_, "T", create_by_city()).ok());
  store_.set_room(storage::Room::Level::kReserve);
  commits_->release();  // what was begun is finished
  const auto writes = store_.writes();
  scheduler_.advance(Seconds(100));
  EXPECT_EQ(store_.writes(), writes);
  EXPECT_EQ(tables_->scan(scope_, "T", {})->count, 3U);
  EXPECT_EQ(scheduler_.busy().count(), 0);
  store_.set_room(storage::Room::Level::kPlenty);
  commits_->tell_accepting();
  scheduler_.run_ready();
  EXPECT_EQ(tables_->scan(scope_, "T", {})->count, 2U);
  QueryRequest by_city;
  by_city.index = "by_city";
  const auto page = query("city = :c", R"({":c":{"S":"x"}})", by_city);
  ASSERT_TRUE(page.ok()) << page.error().message();
  EXPECT_EQ(page->count, 1U);
}

TEST_F(RefusedTest, NothingExpiresAfterAFailedSync) {
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
  scheduler_.run_ready();
  const auto at = std::to_string(to_unix_s(scheduler_.now()) + 10);
  put(R"({"pk":{"S":"a"},"sk":{"N":"2"},"ttl":{"N":")" + at + R"("}})");
  store_.fail_write_after(0);
  put(R"({"pk":{"S":"a"},"sk":{"N":"3"}})");
  const storage::CommitNumber before = *tables_->tag(scope_, "T", {});
  scheduler_.advance(Seconds(1000));
  EXPECT_EQ(*tables_->tag(scope_, "T", {}), before + 1) << "nothing was submitted meanwhile";
  EXPECT_EQ(tables_->scan(scope_, "T", {})->count, 2U);
}

}  // namespace
}  // namespace millrace::tables
