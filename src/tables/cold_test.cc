// What is not in memory: threads that must not wait are refused, having changed nothing; others read it without holding
// what writers wait for.
#include <gmock/gmock.h>

#include "storage/no_blocking.h"
#include "tables/fixture_test.h"

namespace millrace::tables {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kAnn = R"({"pk":{"S":"ann"},"sk":{"N":"1"},"age":{"N":"30"}})";
constexpr std::string_view kAnnKey = R"({"pk":{"S":"ann"},"sk":{"N":"1"}})";
constexpr std::string_view kBob = R"({"pk":{"S":"bob"},"sk":{"N":"1"},"age":{"N":"40"}})";

class ColdTest : public TablesTest {
 protected:
  ColdTest() { create_sample(); }

  TransactionEntry entry(std::string_view json) {
    TransactionEntry entry;
    entry.table = "T";
    entry.request.kind = WriteKind::kPut;
    entry.request.item = item(json);
    return entry;
  }
  template <typename Outcome>
  static bool refused(const Outcome& outcome) {
    return !outcome.ok() && outcome.error().is(storage::kWouldBlock);
  }
};

TEST_F(ColdTest, ReadsAreRefusedOnlyWhereTheyMustNotWait) {
  put(kAnn);
  store_.set_cold(true);
  {
    const storage::NoBlocking here;
    EXPECT_TRUE(refused(tables_->get(scope_, "T", item(kAnnKey))));
    EXPECT_TRUE(refused(tables_->get_together(scope_, {{"T", item(kAnnKey)}})));
    EXPECT_TRUE(refused(query("pk = :p", R"({":p":{"S":"ann"}})")));
    EXPECT_TRUE(refused(tables_->scan(scope_, "T", {})));
  }
  EXPECT_EQ(get(kAnnKey), R"({"age":{"N":"30"},"pk":{"S":"ann"},"sk":{"N":"1"}})");
  EXPECT_EQ(query("pk = :p", R"({":p":{"S":"ann"}})")->count, 1U);
  EXPECT_EQ(tables_->scan(scope_, "T", {})->count, 1U);
}

TEST_F(ColdTest, ARefusedWriteHasChangedNothing) {
  put(kAnn);
  store_.set_cold(true);
  const auto writes = store_.writes();
  {
    const storage::NoBlocking here;
    EXPECT_TRUE(refused(write(WriteKind::kPut, kBob)));
    EXPECT_TRUE(
        refused(write(WriteKind::kUpdate, kAnnKey, {"", "SET age = age + :one", R"({":one":{"N":"1"}})", false})));
    EXPECT_TRUE(refused(write(WriteKind::kDelete, kAnnKey)));
  }
  EXPECT_EQ(store_.writes(), writes);
  EXPECT_EQ(update(kAnnKey, "SET age = age + :one", R"({":one":{"N":"1"}})"),
            R"({"age":{"N":"31"},"pk":{"S":"ann"},"sk":{"N":"1"}})");
  EXPECT_EQ(records().size(), 2U);
}

TEST_F(ColdTest, WhoMayWaitReadsBeforeItHoldsTheLatch) {
  put(kAnn);
  store_.set_cold(true);
  EXPECT_TRUE(write(WriteKind::kPut, kBob).ok());
  EXPECT_EQ(store_.refusals(), 1U);                // with the latch held
  EXPECT_TRUE(write(WriteKind::kPut, kBob).ok());  // in memory by now
  EXPECT_EQ(store_.refusals(), 1U);
}

TEST_F(ColdTest, ATransactionReadsAllThatItLacksAtOnce) {
  store_.set_cold(true);
  const std::vector<TransactionEntry> entries = {entry(kAnn), entry(kBob)};
  {
    const storage::NoBlocking here;
    EXPECT_TRUE(refused(tables_->transact(scope_, entries, TransactionToken{"token", 1})));
  }
  EXPECT_EQ(store_.refusals(), 2U);
  const auto done = tables_->transact(scope_, entries, TransactionToken{"token", 1});
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_FALSE(done->repeated) << "the refused attempt must not keep the token";
  EXPECT_EQ(store_.refusals(), 4U);
  EXPECT_TRUE(tables_->transact(scope_, entries, TransactionToken{"token", 1})->repeated);
  EXPECT_EQ(records().size(), 2U);
}

TEST_F(ColdTest, LooksForTheEntryOfAnIndexBeingBuiltBeforeItChangesAnything) {
  put(R"({"pk":{"S":"ann"},"sk":{"N":"1"},"city":{"S":"Bern"}})");
  ASSERT_TRUE(tables_->update(scope_, "T", create_by_city()).ok());
  store_.set_cold(true);
  EXPECT_NE(get(kAnnKey), "");  // the item is in memory, its entry is not
  const auto writes = store_.writes();
  {
    const storage::NoBlocking here;
    EXPECT_TRUE(refused(write(WriteKind::kDelete, kAnnKey)));
  }
  EXPECT_EQ(store_.writes(), writes);
  EXPECT_TRUE(write(WriteKind::kDelete, kAnnKey).ok());
  scheduler_.run_ready();
  const auto counts = tables_->describe(scope_, "T")->index_counts.back();
  EXPECT_EQ(counts.items, 0);
  EXPECT_EQ(counts.bytes, 0);
}

TEST_F(ColdTest, DescriptionsSayNothingOfCountersThatWouldHaveToBeWaitedFor) {
  put(kAnn);
  put(kBob);
  store_.set_cold(true);
  const auto writes = store_.writes();
  {
    const storage::NoBlocking here;
    EXPECT_TRUE(refused(tables_->describe(scope_, "T")));
    EXPECT_TRUE(refused(tables_->update(scope_, "T", create_by_city())));
    EXPECT_TRUE(refused(tables_->remove(scope_, "T")));
  }
  EXPECT_EQ(store_.writes(), writes) << "the table is as it was";
  EXPECT_EQ(tables_->describe(scope_, "T")->counts.items, 2);
  const auto updated = tables_->update(scope_, "T", create_by_city());
  ASSERT_TRUE(updated.ok());
  EXPECT_EQ(updated->counts.items, 2);
  EXPECT_EQ(updated->index_counts.size(), updated->info->indexes.size());
  scheduler_.run_ready();
  EXPECT_EQ(tables_->remove(scope_, "T")->counts.items, 2);
}

TEST_F(ColdTest, ACounterThatCannotBeReadIsAnErrorNotNothing) {
  put(kAnn);
  store_.fail_read_after(0);
  EXPECT_FALSE(tables_->describe(scope_, "T").ok());
  EXPECT_EQ(tables_->describe(scope_, "T")->counts.items, 1);
}

TEST_F(ColdTest, BuildsIndexesAndExpiresItemsOfAColdStore) {
  put(R"({"pk":{"S":"ann"},"sk":{"N":"1"},"holder":{"S":"h"},"age":{"N":"1"},"until":{"N":"1767225700"}})");
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "until", true).ok());
  store_.set_cold(true);
  scheduler_.run_ready();
  scheduler_.advance(std::chrono::hours(1));
  EXPECT_EQ(get(kAnnKey), "");
  EXPECT_EQ(records().size(), 2U);
}

TEST_F(ColdTest, AScanOfALargeTableGivesUpBeforeItReads) {
  const std::string large(1000, 'x');
  for (int i = 0; i < 5; ++i) {
    put(R"({"pk":{"S":"p)" + std::to_string(i) + R"("},"sk":{"N":"1"},"large":{"S":")" + large + R"("}})");
  }
  ScanRequest request;
  request.give_up_bytes = 3000;
  const auto refused = tables_->scan(scope_, "T", request);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.error().is(kReadTooLong));
  request.limit = 2;
  EXPECT_EQ(tables_->scan(scope_, "T", request)->count, 2U);
  request.limit.reset();
  request.give_up_bytes = 10000;
  EXPECT_EQ(tables_->scan(scope_, "T", request)->count, 5U);
}

TEST_F(ColdTest, LookUpsOfAPageCountTowardsGivingUp) {
  for (int i = 0; i < 10; ++i) {
    put(R"({"pk":{"S":"p"},"sk":{"N":")" + std::to_string(i) + R"("},"age":{"N":"1"},"more":{"S":"m"}})");
  }
  QueryRequest request;
  request.index = "by_age";
  request.give_up_bytes = 5000;
  EXPECT_EQ(query("pk = :p", R"({":p":{"S":"p"}})", request)->count, 10U);
  request.all_attributes = true;  // each from the table
  const auto refused = query("pk = :p", R"({":p":{"S":"p"}})", request);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.error().is(kReadTooLong));
}

}  // namespace
}  // namespace millrace::tables
