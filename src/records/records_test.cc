#include "records/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::records {
namespace {

using codec::Json;
using ::testing::ElementsAre;
using ::testing::Pair;

class RecordsTest : public ::testing::Test {
 protected:
  static Name name(std::string text, Scope scope = {}) { return {"kind", std::move(scope), std::move(text)}; }
  void put(const Name& name, Json document) {
    EXPECT_TRUE(records_.change(name, [&](const Json*) -> Result<Json> { return document; }).ok());
  }

  testing::VirtualScheduler scheduler_;
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  Records records_{store_, commits_};
};

TEST_F(RecordsTest, DocumentsAreKeptPerKindScopeAndName) {
  put(name("b"), "1");
  put(name("a"), "2");
  put(name("a", {"111111111111", "us-east-1"}), "3");
  put({"kind2", {}, "a"}, "4");
  EXPECT_EQ(records_.find(name("a")), Json("2"));
  EXPECT_EQ(records_.find(name("a", {"111111111111", "us-east-1"})), Json("3"));
  EXPECT_EQ(records_.find(name("c")), std::nullopt);
  EXPECT_THAT(records_.list("kind", {}), ElementsAre(Pair("a", Json("2")), Pair("b", Json("1"))));
}

TEST_F(RecordsTest, DocumentsAreThereAfterAStart) {
  put(name("kept"), Json::object({{"x", 1}}));
  put(name("gone"), "1");
  put(name("gone"), Json());
  scheduler_.run_ready();
  Records again(store_, commits_);
  ASSERT_TRUE(again.load().ok());
  EXPECT_THAT(again.list("kind", {}), ElementsAre(Pair("kept", Json::object({{"x", 1}}))));
}

TEST_F(RecordsTest, ARefusedChangeChangesNothing) {
  put(name("a"), "1");
  const auto result = records_.change(name("a"), [](const Json* current) -> Result<Json> {
    EXPECT_NE(current, nullptr);
    return Error(kInvalidArgument, "no");
  });
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(records_.find(name("a")), Json("1"));
}

TEST_F(RecordsTest, ADamagedDocumentStopsTheStart) {
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, "records/x", "{}");
  commits_.submit(std::move(batch));
  scheduler_.run_ready();
  Records again(store_, commits_);
  EXPECT_FALSE(again.load().ok());
}

TEST_F(RecordsTest, ResetTakesOneAccountAndTheKindsNamed) {
  put(name("a"), "1");
  put({"other", {}, "a"}, "2");
  put(name("a", {"111111111111", "us-east-1"}), "3");
  records_.reset("000000000000", "ki");
  EXPECT_EQ(records_.find(name("a")), std::nullopt);
  EXPECT_TRUE(records_.find({"other", {}, "a"}).has_value());
  EXPECT_TRUE(records_.find(name("a", {"111111111111", "us-east-1"})).has_value());
}

}  // namespace
}  // namespace millrace::records
