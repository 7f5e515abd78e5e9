// Who waits for whom, with a disk whose sync takes as long as the test likes: answers computed from a pending write
// wait for it, reads wait for nothing, and writes wait for no more background work than its budget.
#include <future>

#include <gmock/gmock.h>

#include "tables/expiry.h"
#include "tables/fixture_test.h"
#include "tables/keys.h"
#include "testing/watched_commits.h"

namespace millrace::tables {
namespace {

constexpr const char* kKey = R"({"pk":{"S":"a"},"sk":{"N":"1"}})";

class WaitingTest : public TablesTest {
 protected:
  WaitingTest() { create_sample(); }
  // Whether an answer held until `commit` is still held.
  bool is_held(storage::CommitNumber commit) {
    const auto held = std::make_shared<bool>(true);  // the answer may come long after
    commits_->when_durable(commit, [held](const Error*) { *held = false; });
    return *held;
  }
};

TEST_F(WaitingTest, WhateverIsComputedFromAPendingWriteWaitsForIt) {
  put(R"({"pk":{"S":"other"},"sk":{"N":"1"}})");
  commits_->hold();
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"n":{"N":"1"}})");
  // Each of these changes nothing, so that nothing but the pending write is there to wait for.
  const auto failed = write(WriteKind::kPut, kKey, {"attribute_not_exists(pk)", "", "{}", true});
  ASSERT_FALSE(failed.ok());
  EXPECT_TRUE(is_held(failed.error().held_until())) << "a failed condition, and the old item it shows";
  const auto idle = write(WriteKind::kUpdate, kKey, {"", "SET n = :one", R"({":one":{"N":"1"}})", false});
  ASSERT_TRUE(idle.ok());
  EXPECT_TRUE(is_held(idle->after_commit)) << "an update that changes nothing";
  EXPECT_EQ(model::to_json(idle->before.item()), R"({"n":{"N":"1"},"pk":{"S":"a"},"sk":{"N":"1"}})");
  std::vector<TransactionEntry> entries(2);
  entries[0].table = entries[1].table = "T";
  entries[0].request.item = item(R"({"pk":{"S":"new"},"sk":{"N":"1"}})");
  entries[1].request.item = item(kKey);
  expressions::Substitutions with;
  const auto condition = *expressions::parse_condition("attribute_not_exists(pk)", "ConditionExpression", with);
  entries[1].request.condition = &condition;
  const auto cancelled = tables_->transact(scope_, entries, std::nullopt);
  ASSERT_FALSE(cancelled.ok());
  EXPECT_TRUE(is_held(cancelled.error().held_until())) << "a cancelled transaction";
  EXPECT_EQ(commits_->waiting(), 1U) << "only the first write has anything to commit";
  // What rests on nothing that is pending waits for nothing.
  const auto apart =
      write(WriteKind::kPut, R"({"pk":{"S":"other"},"sk":{"N":"1"}})", {"attribute_not_exists(pk)", "", "{}", false});
  ASSERT_FALSE(apart.ok());
  EXPECT_FALSE(is_held(apart.error().held_until()));
  ASSERT_TRUE(commits_->commit_one());
  EXPECT_FALSE(is_held(failed.error().held_until()));
  EXPECT_FALSE(is_held(idle->after_commit));
  EXPECT_FALSE(is_held(cancelled.error().held_until()));
  commits_->release();
}

TEST_F(WaitingTest, AnOldValueThatIsReturnedIsNotDurableBeforeTheNewOne) {
  commits_->hold();
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"n":{"N":"1"}})");
  const auto removed = write(WriteKind::kDelete, kKey);
  ASSERT_TRUE(removed.ok());
  EXPECT_EQ(model::to_json(removed->before.item()), R"({"n":{"N":"1"},"pk":{"S":"a"},"sk":{"N":"1"}})");
  ASSERT_TRUE(commits_->commit_one());
  EXPECT_TRUE(is_held(removed->after_commit));
  const auto again = write(WriteKind::kDelete, kKey);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(is_held(again->after_commit)) << "that there is nothing to delete rests on the first delete";
  ASSERT_TRUE(commits_->commit_one());
  EXPECT_FALSE(is_held(again->after_commit));
  commits_->release();
}

TEST_F(WaitingTest, ARepeatedTransactionWaitsForTheFirstOne) {
  commits_->hold();
  std::vector<TransactionEntry> entries(1);
  entries[0].table = "T";
  entries[0].request.item = item(kKey);
  const TransactionToken token{"token", 1};
  const auto first = tables_->transact(scope_, entries, token);
  const auto second = tables_->transact(scope_, entries, token);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE(second->repeated);
  EXPECT_EQ(commits_->waiting(), 1U);
  EXPECT_TRUE(is_held(second->after_commit));
  commits_->commit_all();
  EXPECT_FALSE(is_held(second->after_commit));
  commits_->release();
}

TEST_F(WaitingTest, ATokenThatWasUsedForSomethingElseWaitsForIt) {
  commits_->hold();
  std::vector<TransactionEntry> entries(1);
  entries[0].table = "T";
  entries[0].request.item = item(kKey);
  ASSERT_TRUE(tables_->transact(scope_, entries, TransactionToken{"token", 1}).ok());
  const auto other = tables_->transact(scope_, entries, TransactionToken{"token", 2});
  ASSERT_FALSE(other.ok());
  EXPECT_TRUE(other.error().is(kIdempotentParameterMismatch));
  EXPECT_TRUE(is_held(other.error().held_until()));
  commits_->commit_all();
  EXPECT_FALSE(is_held(other.error().held_until()));
  commits_->release();
}

TEST_F(WaitingTest, WhatRestsOnATableThatIsBeingCreatedWaitsForIt) {
  commits_->hold();
  ASSERT_TRUE(tables_->create(scope_, sample("New")).ok());
  const auto again = tables_->create(scope_, sample("New"));
  ASSERT_FALSE(again.ok());
  EXPECT_TRUE(is_held(again.error().held_until())) << "that there is a table of this name";
  WriteRequest nothing;
  nothing.kind = WriteKind::kDelete;
  nothing.item = item(kKey);
  const auto idle = tables_->write(scope_, "New", nothing);
  ASSERT_TRUE(idle.ok());
  EXPECT_TRUE(is_held(idle->after_commit)) << "that there is nothing to delete in it";
  WriteRequest wrong;
  wrong.item = item(R"({"pk":{"S":"a"}})");
  const auto refused = tables_->write(scope_, "New", wrong);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(is_held(refused.error().held_until())) << "what its key is";
  const auto ttl_off = tables_->set_ttl(scope_, "New", "ttl", false);
  ASSERT_FALSE(ttl_off.ok());
  EXPECT_TRUE(is_held(ttl_off.error().held_until())) << "its settings";
  commits_->commit_all();
  for (const Error* error : {&again.error(), &refused.error(), &ttl_off.error()})
    EXPECT_FALSE(is_held(error->held_until()));
  commits_->release();
}

TEST_F(WaitingTest, WhatRestsOnATableThatIsBeingDeletedWaitsForThat) {
  commits_->hold();
  ASSERT_TRUE(tables_->remove(scope_, "T").ok());
  WriteRequest request;
  request.item = item(kKey);
  std::vector<TransactionEntry> entries(1);
  entries[0].table = "T";
  entries[0].request = request;
  const auto write = tables_->write(scope_, "T", request);
  const auto transaction = tables_->transact(scope_, entries, std::nullopt);
  const auto described = tables_->describe(scope_, "T");
  const auto updated = tables_->update(scope_, "T", {});
  const auto removed = tables_->remove(scope_, "T");
  const auto tagged = tables_->tag(scope_, "T", {{"a", "b"}});
  const auto info = tables_->info(scope_, "T");
  ASSERT_FALSE(write.ok() || transaction.ok() || described.ok() || updated.ok() || removed.ok() || tagged.ok() ||
               info.ok());
  for (const Error* error : {&write.error(), &transaction.error(), &described.error(), &updated.error(),
                             &removed.error(), &tagged.error(), &info.error()}) {
    EXPECT_TRUE(error->is(kResourceNotFound));
    EXPECT_TRUE(is_held(error->held_until()));
  }
  commits_->commit_all();
  EXPECT_FALSE(is_held(write.error().held_until()));
  commits_->release();
}

TEST_F(WaitingTest, ReadsGoByTablesAsTheyAreOnDisk) {
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  commits_->hold();
  const auto count = [&](const std::string& table, const std::string& index = "") -> std::string {
    ScanRequest request;
    request.index = index;
    const auto page = tables_->scan(scope_, table, request);
    return page.ok() ? std::to_string(page->count) : page.error().message();
  };
  const std::string missing = "Requested resource not found";
  ASSERT_TRUE(tables_->create(scope_, sample("New")).ok());
  UpdateRequest request;
  request.delete_indexes = {"by_holder"};
  ASSERT_TRUE(tables_->update(scope_, "T", request).ok());
  EXPECT_EQ(count("New"), missing);
  EXPECT_EQ(tables_->get(scope_, "New", item(kKey)).error().held_until(), 0U);
  EXPECT_EQ(count("T", "by_holder"), "0");
  ASSERT_TRUE(commits_->commit_one());
  EXPECT_EQ(count("New"), "0");
  ASSERT_TRUE(commits_->commit_one());
  EXPECT_EQ(count("T", "by_holder"), "The table does not have the specified index: by_holder");
  ASSERT_TRUE(tables_->remove(scope_, "T").ok());
  EXPECT_EQ(count("T"), "1");
  commits_->commit_all();
  EXPECT_EQ(count("T"), missing);
  commits_->release();
  EXPECT_EQ(count("New"), "0");
}

// Whoever submits holds the locks that readers would have to wait for.
TEST_F(WaitingTest, ReadsTakeNoLockThatIsHeldWhileAChangeIsSubmitted) {
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  std::unique_ptr<Tables> tables;
  int reads = 0;
  const auto during_submit = [&] {
    auto read = std::async(std::launch::async, [&] {
      return tables->get(scope_, "T", item(kKey)).ok() && tables->scan(scope_, "T", {})->count == 1 &&
             tables->get_together(scope_, {{"T", item(kKey)}}).ok() && tables->readable(scope_, "T").ok();
    });
    EXPECT_EQ(read.wait_for(std::chrono::seconds(10)), std::future_status::ready);
    ++reads;
  };
  testing::WatchedCommits watched(*commits_, during_submit);
  tables = *Tables::load(store_, watched, *streams_, scheduler_, random_);
  ASSERT_TRUE(tables->set_ttl(scope_, "T", "ttl", true).ok());
  ASSERT_TRUE(tables->create(scope_, sample("New")).ok());
  WriteRequest request;
  request.item = item(kKey);
  request.item.set("n", model::AttributeValue::string("1"));
  ASSERT_TRUE(tables->write(scope_, "T", request).ok());
  ASSERT_TRUE(tables->remove(scope_, "New").ok());
  EXPECT_EQ(reads, 4);
}

TEST_F(WaitingTest, ReadsSeeWhatIsSyncedAndWaitForNothing) {
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"holder":{"S":"h"},"age":{"N":"1"}})");
  commits_->hold();
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"holder":{"S":"i"},"age":{"N":"1"}})");
  put(R"({"pk":{"S":"b"},"sk":{"N":"1"},"holder":{"S":"h"},"age":{"N":"2"}})");
  const std::string old = R"({"age":{"N":"1"},"holder":{"S":"h"},"pk":{"S":"a"},"sk":{"N":"1"}})";
  const auto see = [&] {
    std::string seen = get(kKey);
    QueryRequest by_holder;
    by_holder.index = "by_holder";
    seen += " " + query_json("holder = :h", R"({":h":{"S":"h"}})", by_holder);
    const auto scanned = tables_->scan(scope_, "T", {});
    seen += " " + std::to_string(scanned->count);
    const auto together =
        tables_->get_together(scope_, {{"T", item(kKey)}, {"T", item(R"({"pk":{"S":"b"},"sk":{"N":"1"}})")}});
    return seen + " " + std::to_string((*together)[1].has_value()) + " " + std::to_string(records().size());
  };
  const std::string before = see();
  EXPECT_THAT(before, ::testing::StartsWith(old));
  EXPECT_THAT(before, ::testing::EndsWith(" 1 0 1"));
  ASSERT_TRUE(commits_->commit_one());
  EXPECT_THAT(see(), ::testing::EndsWith("\"i\"},\"pk\":{\"S\":\"a\"},\"sk\":{\"N\":\"1\"}} [] 1 0 2"));
  commits_->release();
  EXPECT_THAT(see(), ::testing::EndsWith(" 2 1 3"));
}

// --- budgets: a write that comes while background work goes on shares the sync of one chunk at most
// --------------------

class BudgetTest : public WaitingTest {
 protected:
  static constexpr std::size_t kIndexChunk = 200;  // of tables/internal/indexing.cc

  void fill(int count, const std::string& attributes) {
    for (int i = 0; i < count; ++i)
      put(R"({"pk":{"S":"p)" + std::to_string(i) + R"("},"sk":{"N":"1"},)" + attributes + "}");
  }
  // Lets background work go on, one sync at a time, while writes come; the number of syncs until it was through.
  int turns(std::size_t chunk, const std::function<bool()>& is_over) {
    int count = 0;
    for (; count < 100 && !is_over(); ++count) {
      scheduler_.run_ready();
      const std::size_t background = commits_->waiting();
      EXPECT_LE(background, chunk);
      put(R"({"pk":{"S":"foreground"},"sk":{"N":")" + std::to_string(count) + R"("}})");
      scheduler_.run_ready();
      EXPECT_LE(commits_->waiting(), chunk + 1) << "nothing is added before the chunk is durable";
      commits_->commit_all();
    }
    return count;
  }
};

TEST_F(BudgetTest, BuildingAnIndexKeepsToItsChunks) {
  fill(900, R"("city":{"S":"Bern"})");
  commits_->hold();
  ASSERT_TRUE(tables_->update(scope_, "T", create_by_city()).ok());
  const int count = turns(kIndexChunk, [&] { return !(*tables_->info(scope_, "T"))->indexes.back().building; });
  EXPECT_GE(count, 5) << "900 entries are five chunks";
  EXPECT_LE(count, 9);
  commits_->release();
  EXPECT_EQ(tables_->describe(scope_, "T")->index_counts.back().items, 900);
}

TEST_F(BudgetTest, SweepingExpiredItemsKeepsToItsChunks) {
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
  scheduler_.run_ready();
  fill(900, R"("ttl":{"N":")" + std::to_string(to_unix_s(scheduler_.now()) + 10) + "\"}");
  commits_->hold();
  scheduler_.advance(Seconds(11));
  const auto left = [&] {
    std::size_t expiring = 0;
    const std::string prefix(kExpiryPrefix);
    const auto it = store_.iterate(storage::Family::kQueue, {prefix, storage::prefix_end(prefix)});
    for (it->seek(prefix); it->valid(); it->next()) ++expiring;
    return expiring;
  };
  const int count = turns(kSweepChunk, [&] { return left() == 0; });
  EXPECT_GE(count, 4) << "900 items are four chunks";
  EXPECT_LE(count, 8);
  commits_->release();
}

TEST_F(BudgetTest, DeletingATableOfAnySizeIsOneSmallBatch) {
  fill(900, R"("holder":{"S":"h"},"age":{"N":"1"})");
  scheduler_.run_ready();
  commits_->hold();
  const auto removed = tables_->remove(scope_, "T");
  ASSERT_TRUE(removed.ok());
  scheduler_.run_ready();
  EXPECT_LE(commits_->waiting(), 2U);
  commits_->release();
  scheduler_.run_ready();
  EXPECT_EQ(store_.count(storage::Family::kItems), 0U);
}

}  // namespace
}  // namespace millrace::tables
