#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/key.h"
#include "tables/check.h"
#include "tables/fixture_test.h"
#include "tables/keys.h"
#include "telemetry/log.h"

namespace millrace::tables {
namespace {

using storage::Family;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string refusal(Family family, const std::string& key, const std::string& value) {
  storage::MemoryStore store;
  storage::WriteBatch batch;
  batch.put(family, key, value);
  EXPECT_TRUE(store.write(batch, storage::Store::Sync::kSynced).ok());
  testing::VirtualScheduler scheduler;
  testing::TestCommits commits(store, scheduler);
  platform::SeededRandom random(1);
  const auto streams = streams::Streams::load(store, commits, scheduler, random);
  if (!streams.ok()) return streams.error().message();
  const auto tables = Tables::load(store, commits, **streams, scheduler, random);
  return tables.ok() ? "none" : tables.error().message();
}

// Starting again from 1 would show a new table the items of an old one.
TEST(TablesDamageTest, ADamagedNumberOfTablesIsNamedAtStart) {
  EXPECT_EQ(refusal(Family::kCatalogue, "tables/next", codec::KeyWriter().be32(5).str()), "none");
  EXPECT_THAT(refusal(Family::kCatalogue, "tables/next", "5"),
              HasSubstr("damaged number in the data directory: tables/next"));
}

TEST(TablesDamageTest, ATableWhoseRecordIsNotItsOwnOrIncompleteIsNamedAtStart) {
  const auto record = [](const std::string& id, const std::string& keys, const std::string& indexes = "[]") {
    return R"({"v":1,"name":"tab","id":)" + id + R"(,"keys":)" + keys + R"(,"indexes":)" + indexes + "}";
  };
  const std::string keys = R"({"partition":{"name":"p","type":"S"}})";
  const auto said = [&](const std::string& text) { return refusal(Family::kCatalogue, table_key(TableId(3)), text); };
  EXPECT_EQ(said(record("3", keys)), "none");
  EXPECT_THAT(said(record("4", keys)), HasSubstr("damaged table in the data directory: tables/table/\\x00"));
  EXPECT_THAT(said(record("3", R"({"partition":{"name":"p","type":"Q"}})")), HasSubstr("damaged table"));
  EXPECT_THAT(said(record("3", keys, R"([{"number":1,"name":"ind"}])")), HasSubstr("damaged table"))
      << "an index without keys";
}

TEST(TablesDamageTest, ADamagedTokenIsNamedAtStart) {
  EXPECT_THAT(refusal(Family::kQueue, "txn/1/r/tok", "x"),
              HasSubstr("damaged token of a transaction in the data directory: txn/1/r/tok"));
}

// Items whose bytes are not what was written, with checksums that are right: the store hands them out.
class DamagedItemTest : public TablesTest {
 protected:
  DamagedItemTest() {
    telemetry::set_log_sink([this](auto, auto, std::string_view message) { log_.emplace_back(message); });
    create_sample();
    for (const char* key : {"a", "b"}) {
      put(R"({"pk":{"S":")" + std::string(key) +
          R"("},"sk":{"N":"1"},"holder":{"S":"h"},"age":{"N":"7"},"city":{"S":"Ulm"},"ttl":{"N":"1800000000"}})");
    }
  }
  ~DamagedItemTest() override { telemetry::set_log_sink({}); }

  TableId id() { return (*tables_->info(scope_, "T"))->id; }
  std::string stored_key(const std::string& pk) {
    const auto info = *tables_->info(scope_, "T");
    return item_key(info->id, *model::key_bytes(info->keys, item(R"({"pk":{"S":")" + pk + R"("},"sk":{"N":"1"}})")));
  }
  void plant(const std::string& key, const std::string& bytes) {
    storage::WriteBatch batch;
    batch.put(Family::kItems, key, bytes);
    ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());
  }
  // Its last attribute is cut off in the middle: what comes before it can still be found.
  void cut(const std::string& pk) {
    const auto bytes = store_.get(Family::kItems, stored_key(pk));
    ASSERT_TRUE(bytes.ok() && *bytes);
    plant(stored_key(pk), (*bytes)->substr(0, (*bytes)->size() - 1));
  }
  std::string error(WriteKind kind, const WriteOptions& options = {}) {
    const auto result = write(kind, kKey, options);
    return result.ok() ? "none" : std::string(result.error().type().name) + ": " + result.error().message();
  }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    const auto counts = check_tables(
        store_, [&](std::string problem) { found.push_back(std::move(problem)); }, [](std::uint64_t) {});
    EXPECT_TRUE(counts.ok());
    return found;
  }
  std::size_t expiry_entries() {
    std::size_t count = 0;
    const auto it = store_.iterate(Family::kQueue, {"ttl/", "ttl0"});
    for (it->seek("ttl/"); it->valid(); it->next()) ++count;
    return count;
  }

  static constexpr std::string_view kKey = R"({"pk":{"S":"a"},"sk":{"N":"1"}})";
  const std::string damaged_ = R"(damaged item in the data directory: table T, key {"pk":{"S":"a"},"sk":{"N":"1"}})";
  std::vector<std::string> log_;
};

TEST_F(DamagedItemTest, EveryReadAndWriteOfItIsAnErrorAndTheOthersAreServed) {
  cut("a");
  const std::string said = "InternalServerError: " + damaged_;
  EXPECT_EQ(error(WriteKind::kPut), said);
  EXPECT_EQ(error(WriteKind::kDelete), said);
  EXPECT_EQ(error(WriteKind::kDelete, {.condition = "attribute_exists(pk)", .return_old = true}), said);
  EXPECT_EQ(error(WriteKind::kUpdate, {.update = "SET x = :x", .substitutions = R"({":x":{"N":"1"}})"}), said);
  TransactionEntry entry{"T", {}};
  entry.request.kind = WriteKind::kDelete;
  entry.request.item = item(kKey);
  const auto transaction = tables_->transact(scope_, {entry}, std::nullopt);
  ASSERT_FALSE(transaction.ok());
  EXPECT_EQ(transaction.error().message(), damaged_);
  EXPECT_EQ(tables_->damaged(scope_, "T", item(kKey)).message(), damaged_) << "what GetItem answers";
  EXPECT_EQ(query_json("pk = :p", R"({":p":{"S":"a"}})"), damaged_);
  ScanRequest all;
  all.count_only = true;
  const auto scan = tables_->scan(scope_, "T", all);
  ASSERT_FALSE(scan.ok());
  EXPECT_EQ(scan.error().message(), damaged_);
  EXPECT_THAT(log_, ElementsAre(damaged_)) << "once";
  EXPECT_EQ(store_.damage().count(), 1U);

  EXPECT_EQ(update(R"({"pk":{"S":"b"},"sk":{"N":"1"}})", "SET age = :x", R"({":x":{"N":"8"}})").substr(0, 1), "{");
  EXPECT_THAT(get(R"({"pk":{"S":"b"},"sk":{"N":"1"}})"), HasSubstr(R"("age":{"N":"8"})"));
  EXPECT_THAT(query_json("pk = :p", R"({":p":{"S":"b"}})"), HasSubstr(R"("age":{"N":"8"})"));
  EXPECT_THAT(problems(),
              ::testing::Contains(
                  HasSubstr(R"(The item with the key {"pk":{"S":"a"},"sk":{"N":"1"}} of table T cannot be decoded)")));
}

TEST_F(DamagedItemTest, BytesOfAnotherKeyOrWithoutOneAreDamageToo) {
  plant(stored_key("a"), model::to_stored(item(R"({"pk":{"S":"b"},"sk":{"N":"1"},"holder":{"S":"h"}})")));
  EXPECT_THAT(error(WriteKind::kPut), HasSubstr(damaged_));
  plant(stored_key("a"), model::to_stored(item(R"({"pk":{"N":"1"},"holder":{"S":"h"},"age":{"N":"7"}})")));
  EXPECT_THAT(error(WriteKind::kDelete), HasSubstr(damaged_));
  QueryRequest first;
  first.limit = 1;
  EXPECT_EQ(query_json("pk = :p", R"({":p":{"S":"a"}})", first), damaged_) << "it has no LastEvaluatedKey";
  EXPECT_THAT(problems(), ::testing::Contains(HasSubstr("lies under another item's key")));
}

TEST_F(DamagedItemTest, AnEntryOfAnIndexIsNamedWithTheIndex) {
  const auto info = *tables_->info(scope_, "T");
  const Index* by_age = info->find_index("by_age");
  const std::string key = *index_key(*info, *by_age, item(R"({"pk":{"S":"a"},"sk":{"N":"1"},"age":{"N":"7"}})"));
  const std::string said =
      R"(damaged item in the data directory: index by_age of table T, key {"age":{"N":"7"},"pk":{"S":"a"},"sk":{"N":"1"}})";
  QueryRequest request;
  request.index = "by_age";
  plant(key, "nonsense");
  EXPECT_EQ(query_json("pk = :p", R"({":p":{"S":"a"}})", request), said);
  plant(key, model::to_stored(item(R"({"holder":{"S":"h"}})")));
  request.all_attributes = true;
  EXPECT_EQ(query_json("pk = :p", R"({":p":{"S":"a"}})", request), said) << "no key to look the item up with";
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"age":{"N":"8"}})");
  EXPECT_THAT(query_json("pk = :p", R"({":p":{"S":"a"}})", request), HasSubstr(R"("age":{"N":"8"})"))
      << "the item was whole: its next write mends the index";
}

TEST_F(DamagedItemTest, WhatIsDueStaysAndTheSweepGoesPastIt) {
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
  scheduler_.run_ready();
  ASSERT_EQ(expiry_entries(), 2U);
  const auto bytes = store_.get(Family::kItems, stored_key("a"));
  plant(stored_key("a"), **bytes + "?");  // when it expires can still be told
  scheduler_.run_until(from_unix_ms(1'800'000'001'000));
  EXPECT_EQ(get(R"({"pk":{"S":"b"},"sk":{"N":"1"}})"), "") << "the other expired";
  EXPECT_EQ(expiry_entries(), 0U) << "no later pass comes to it again";
  EXPECT_TRUE(store_.get(Family::kItems, stored_key("a"))->has_value());
  EXPECT_THAT(log_, ElementsAre(damaged_));
}

// Its time in milliseconds would overflow, hence be long past: the sweeper would begin again for ever.
TEST_F(DamagedItemTest, AnExpiryThatNoItemHasIsNoEntry) {
  const std::int64_t last = (std::int64_t{1} << 53) + 1;
  EXPECT_TRUE(read_expiry_key(expiry_key({last, id(), "k"})));
  storage::WriteBatch batch;
  for (const std::int64_t seconds : {last + 1, std::int64_t{1} << 60, std::int64_t{-1}}) {
    EXPECT_FALSE(read_expiry_key(expiry_key({seconds, id(), "k"})));
    batch.put(Family::kQueue, expiry_key({seconds, id(), "k"}), "");
  }
  ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());
  start();
  scheduler_.run_ready();
  EXPECT_EQ(tables_->next_expiry(), kNever);
  EXPECT_THAT(problems(), ::testing::Contains(HasSubstr("expiry entry with the impossible key")));
}

TEST_F(DamagedItemTest, IndexesAndExpiryAreBuiltPastIt) {
  cut("a");
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
  ASSERT_TRUE(tables_->update(scope_, "T", create_by_city()).ok());
  scheduler_.run_ready();
  EXPECT_FALSE((*tables_->info(scope_, "T"))->find_index("by_city")->building);
  EXPECT_TRUE((*tables_->info(scope_, "T"))->ttl.filled);
  QueryRequest request;
  request.index = "by_city";
  const auto page = query("city = :c", R"({":c":{"S":"Ulm"}})", request);
  ASSERT_TRUE(page.ok()) << page.error().message();
  EXPECT_EQ(page->count, 1U);
  EXPECT_EQ(expiry_entries(), 1U);
  EXPECT_THAT(log_, ElementsAre(damaged_));
}

}  // namespace
}  // namespace millrace::tables
