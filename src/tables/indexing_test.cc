// Indexes created and deleted on tables in use.
#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include <gmock/gmock.h>

#include "storage/group_committer.h"
#include "tables/fixture_test.h"
#include "tables/keys.h"

namespace millrace::tables {
namespace {

using ::testing::HasSubstr;

UpdateRequest remove_by(const std::string& name) {
  UpdateRequest request;
  request.delete_indexes = {name};
  return request;
}

class IndexingTest : public TablesTest {
 protected:
  Result<Description> update_table(const UpdateRequest& request) { return tables_->update(scope_, "T", request); }
  std::string error_of(const UpdateRequest& request) {
    const auto result = update_table(request);
    return result.ok() ? "" : result.error().message();
  }
  void put_city(int number, const std::string& city) {
    put(R"({"pk":{"S":"p)" + std::to_string(number) + R"("},"sk":{"N":"1"},"city":{"S":")" + city + R"("}})");
  }
  std::string in_city(const std::string& city) {
    QueryRequest request;
    request.index = "by_city";
    const auto page = query("city = :c", R"({":c":{"S":")" + city + R"("}})", request);
    return page.ok() ? std::to_string(page->count) : page.error().message();
  }
  TableCounts counts() { return tables_->describe(scope_, "T")->index_counts.back(); }
};

TEST_F(IndexingTest, GivesItemsThatWereThereTheirEntriesWhileWritesGoOn) {
  create_sample();
  for (int i = 0; i < 500; ++i) put_city(i, "Bern");
  put(R"({"pk":{"S":"no city"},"sk":{"N":"1"}})");
  put(R"({"pk":{"S":"a number"},"sk":{"N":"1"},"city":{"N":"7"}})");
  ASSERT_TRUE(update_table(create_by_city()).ok());
  EXPECT_TRUE(tables_->describe(scope_, "T")->info->indexes.back().building);
  EXPECT_EQ(in_city("Bern"), "Cannot read from backfilling global secondary index: by_city");
  // Before the walk, and between its chunks: moved, removed, put again as it was, and new ones.
  put_city(3, "Basel");
  put_city(450, "Basel");
  ASSERT_TRUE(write(WriteKind::kDelete, R"({"pk":{"S":"p4"},"sk":{"N":"1"}})").ok());
  scheduler_.run_one();
  scheduler_.run_one();
  put_city(5, "Basel");
  put_city(451, "Basel");
  put_city(451, "Bern");
  ASSERT_TRUE(write(WriteKind::kDelete, R"({"pk":{"S":"p452"},"sk":{"N":"1"}})").ok());
  put_city(600, "Bern");
  scheduler_.run_ready();
  EXPECT_FALSE(tables_->describe(scope_, "T")->info->indexes.back().building);
  EXPECT_EQ(in_city("Bern"), "496");
  EXPECT_EQ(in_city("Basel"), "3");
  EXPECT_EQ(counts().items, 499);
  EXPECT_GT(counts().bytes, 0);
  const auto removed = update_table(remove_by("by_city"));
  ASSERT_TRUE(removed.ok());
  scheduler_.run_ready();
  EXPECT_EQ(store_.count(storage::Family::kItems), 501U) << "entries of the deleted index are gone";
  EXPECT_THAT(in_city("Bern"), HasSubstr("does not have the specified index"));
}

TEST_F(IndexingTest, AWriteThatCannotTellWhetherItsItemHasAnEntryIsRefused) {
  create_sample();
  for (int i = 0; i < 300; ++i) put_city(i, "Bern");
  ASSERT_TRUE(update_table(create_by_city()).ok());
  scheduler_.run_one();
  scheduler_.run_one();
  // The first read of each is for the item, the second for its entry: some have theirs, others do not.
  for (const int number : {1, 299}) {
    store_.fail_read_after(1);
    const auto failed = write(
        WriteKind::kPut, R"({"pk":{"S":"p)" + std::to_string(number) + R"("},"sk":{"N":"1"},"city":{"S":"Basel"}})");
    ASSERT_FALSE(failed.ok());
    EXPECT_TRUE(failed.error().is(storage::kStorageFailed)) << failed.error().message();
    store_.heal();
  }
  scheduler_.run_ready();
  EXPECT_EQ(in_city("Bern"), "300");
  EXPECT_EQ(in_city("Basel"), "0");
  EXPECT_EQ(counts().items, 300);
}

TEST_F(IndexingTest, GoesOnAfterARestartInTheMiddle) {
  create_sample();
  for (int i = 0; i < 450; ++i) put_city(i, "Bern");
  ASSERT_TRUE(update_table(create_by_city()).ok());
  scheduler_.run_one();
  scheduler_.run_one();
  put_city(1, "Basel");
  start();
  put_city(2, "Basel");
  put_city(449, "Basel");
  EXPECT_TRUE(tables_->describe(scope_, "T")->info->indexes.back().building);
  scheduler_.run_ready();
  EXPECT_EQ(in_city("Bern"), "447");
  EXPECT_EQ(in_city("Basel"), "3");
  EXPECT_EQ(counts().items, 450);
  start();
  EXPECT_EQ(in_city("Basel"), "3") << "it stays active";
}

TEST_F(IndexingTest, RefusesWhatAwsRefuses) {
  create_sample();
  ASSERT_TRUE(update_table(create_by_city()).ok());
  UpdateRequest second = create_by_city();
  second.create_indexes[0].name = "by_town";
  EXPECT_THAT(error_of(second), HasSubstr("Only 1 online index can be created or deleted simultaneously per table"));
  scheduler_.run_ready();
  EXPECT_EQ(error_of(create_by_city()), "Attempting to create an index which already exists");
  second.definitions = {{"city", model::KeyType::kNumber}};
  EXPECT_THAT(error_of(second), HasSubstr("another type"));
  second.definitions = {};
  second.create_indexes[0].keys = {{"nowhere", true}};
  EXPECT_THAT(error_of(second), HasSubstr("not defined in AttributeDefinitions"));
  second.definitions = {{"nowhere", model::KeyType::kString}, {"unused", model::KeyType::kString}};
  EXPECT_THAT(error_of(second), HasSubstr("AttributeDefinitions are not used"));
  EXPECT_THAT(error_of(remove_by("by_age")), HasSubstr("No global secondary index"));
  EXPECT_THAT(error_of(remove_by("nothing")), HasSubstr("No global secondary index"));
  UpdateRequest both = remove_by("by_city");
  both.delete_indexes.emplace_back("by_holder");
  EXPECT_THAT(error_of(both), HasSubstr("Only 1 online index"));
  ASSERT_TRUE(update_table(remove_by("by_city")).ok());
  const auto info = tables_->info(scope_, "T");
  EXPECT_EQ((*info)->definitions.size(), 4U) << "an attribute that no index needs is not defined any more";
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"city":{"N":"7"}})");
  ASSERT_TRUE(update_table(create_by_city()).ok());
  EXPECT_THAT(put_error(R"({"pk":{"S":"b"},"sk":{"N":"1"},"city":{"N":"7"}})"), HasSubstr("Type mismatch"));
  ASSERT_TRUE(update_table(remove_by("by_city")).ok()) << "a build can be ended by deleting its index";
  scheduler_.run_ready();
  EXPECT_EQ((*tables_->info(scope_, "T"))->indexes.size(), 2U);
}

// A table is written by several threads while an index is created, built and deleted again and again: in the end the
// index has exactly the entries of the items, and its counters say so. Run under TSAN.
TEST(IndexingConcurrency, NoWriteMissesAnIndexThatIsCreatedMeanwhile) {
  constexpr int kThreads = 3;
  constexpr int kKeys = 40;
  storage::MemoryStore store;
  testing::VirtualScheduler scheduler;
  platform::SeededRandom random{3};
  Scope scope;
  auto committer = storage::Committer::start(store, scheduler).value();
  auto log = streams::Streams::load(store, *committer, scheduler, random).value();
  auto tables = Tables::load(store, *committer, *log, scheduler, random).value();
  CreateRequest create;
  create.name = "T";
  create.definitions = {{"pk", model::KeyType::kString}};
  create.keys = {{"pk", true}};
  create.billing = BillingMode::kPayPerRequest;
  create.stream = StreamRequest{true, model::ViewType::kNewAndOldImages};
  ASSERT_TRUE(tables->create(scope, create).ok());
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> writes{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; !stop; ++i) {
        WriteRequest request;
        const int number = (i * 7 + thread) % kKeys;
        request.item = {{"pk", model::AttributeValue::string("k" + std::to_string(number))}};
        request.kind = i % 5 == 4 ? WriteKind::kDelete : WriteKind::kPut;
        if (request.kind == WriteKind::kPut && i % 4 != 0) {
          request.item.set("city", model::AttributeValue::string("c" + std::to_string(i % 3)));
        }
        const auto result = tables->write(scope, "T", request);
        ASSERT_TRUE(result.ok()) << result.error().message();
        ++writes;
        if (i % 16 == 0) std::this_thread::yield();
      }
    });
  }
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(tables->update(scope, "T", create_by_city()).ok());
    const auto building = [&] { return (*tables->info(scope, "T"))->indexes.back().building; };
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (building() && std::chrono::steady_clock::now() < limit) {
      scheduler.run_ready();
      std::this_thread::yield();
    }
    ASSERT_FALSE(building());
    if (round == 5) break;
    const std::uint64_t seen = writes;
    while (writes < seen + 200) std::this_thread::yield();
    ASSERT_TRUE(tables->update(scope, "T", remove_by("by_city")).ok());
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  committer->stop();
  const auto info = *tables->info(scope, "T");
  std::map<std::string, std::string> expected;
  std::map<std::string, std::string> found;
  const auto read = [&](const std::string& prefix, const std::function<void(std::string_view, std::string_view)>& use) {
    const auto it = store.iterate(storage::Family::kItems, {prefix, storage::prefix_end(prefix)});
    for (it->seek(prefix); it->valid(); it->next()) use(it->key(), it->value());
  };
  read(item_prefix(info->id, 0), [&](std::string_view, std::string_view value) {
    const auto item = *model::from_stored(value);
    if (const auto key = index_key(*info, info->indexes.back(), item)) expected[*key] = value;
  });
  for (std::uint16_t number = 1; number < info->next_index; ++number) {
    read(item_prefix(info->id, number),
         [&](std::string_view key, std::string_view value) { found[std::string(key)] = value; });
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(tables->describe(scope, "T")->index_counts[0].items, static_cast<std::int64_t>(expected.size()));
}

}  // namespace
}  // namespace millrace::tables
