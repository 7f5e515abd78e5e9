#include "tables/expiry.h"
#include "tables/fixture_test.h"
#include "tables/keys.h"

namespace millrace::tables {
namespace {

class CatalogueTest : public TablesTest {};

TEST_F(CatalogueTest, TablesSurviveARestart) {
  create_sample();
  ASSERT_TRUE(tables_->tag(scope_, "T", {{"team", "blue"}}).ok());
  const auto before = tables_->describe(scope_, "T");
  start();
  const auto after = tables_->describe(scope_, "T");
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(to_catalogue(*after->info), to_catalogue(*before->info));
  EXPECT_EQ(after->info->tags.at("team"), "blue");
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  EXPECT_EQ(records().size(), 1u);
}

TEST_F(CatalogueTest, DamagedRecordsAreNamed) {
  EXPECT_FALSE(from_catalogue("{").ok());
  EXPECT_FALSE(from_catalogue("{}").ok());
  EXPECT_FALSE(from_catalogue(R"({"v":1,"name":"x"})").ok());
  EXPECT_FALSE(from_catalogue(R"({"v":2})").ok());
}

TEST_F(CatalogueTest, NamesAreUniquePerScopeAndListedInPages) {
  for (const char* name : {"b", "a", "c"}) ASSERT_TRUE(tables_->create(scope_, sample(name)).ok());
  EXPECT_EQ(tables_->create(scope_, sample("a")).error().message(), "Table already exists: a");
  ASSERT_TRUE(tables_->create({"111111111111", "us-east-1"}, sample("a")).ok());
  auto listing = tables_->list(scope_, "", 2);
  EXPECT_EQ(listing.names, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(listing.more);
  listing = tables_->list(scope_, "b", 2);
  EXPECT_EQ(listing.names, (std::vector<std::string>{"c"}));
  EXPECT_FALSE(listing.more);
}

TEST_F(CatalogueTest, WaitsForNoMoreThanTheAnswerShows) {
  for (const char* name : {"a", "b", "T"}) ASSERT_TRUE(tables_->create(scope_, sample(name)).ok());
  commits_->hold();
  ASSERT_TRUE(tables_->create(scope_, sample("new")).ok());
  ASSERT_TRUE(tables_->remove(scope_, "b").ok());
  const auto tagged = tables_->tag(scope_, "T", {{"team", "red"}});
  ASSERT_TRUE(tagged.ok());
  EXPECT_EQ(tables_->list(scope_, "", 10).names, (std::vector<std::string>{"T", "a", "b"})) << "what is on disk";
  EXPECT_LE(tables_->describe(scope_, "a")->after, commits_->durable()) << "nothing of it is pending";
  EXPECT_EQ(tables_->describe(scope_, "T")->after, *tagged);
  commits_->release();
  EXPECT_EQ(tables_->list(scope_, "", 10).names, (std::vector<std::string>{"T", "a", "new"}));
}

TEST_F(CatalogueTest, DeletedTablesLeaveNothing) {
  create_sample();
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"holder":{"S":"o"},"age":{"N":"1"}})");
  scheduler_.run_ready();
  const std::uint64_t reclaims = store_.reclaims();
  ASSERT_TRUE(tables_->remove(scope_, "T").ok());
  scheduler_.run_ready();
  EXPECT_EQ(store_.reclaims(), reclaims + 1);
  EXPECT_EQ(tables_->describe(scope_, "T").error().message(), "Requested resource not found: Table: T not found");
  auto items = store_.iterate(storage::Family::kItems, {});
  items->seek("");
  EXPECT_FALSE(items->valid());
  create_sample();
  EXPECT_EQ(get(R"({"pk":{"S":"a"},"sk":{"N":"1"}})"), "");
  EXPECT_EQ(tables_->describe(scope_, "T")->counts.items, 0);
}

TEST_F(CatalogueTest, DeletionProtectionProtects) {
  CreateRequest request = sample();
  request.deletion_protection = true;
  ASSERT_TRUE(tables_->create(scope_, request).ok());
  EXPECT_TRUE(tables_->remove(scope_, "T").error().is(kValidationException));
  UpdateRequest update;
  update.deletion_protection = false;
  ASSERT_TRUE(tables_->update(scope_, "T", update).ok());
  EXPECT_TRUE(tables_->remove(scope_, "T").ok());
}

TEST_F(CatalogueTest, BadSchemasAreRefusedWithTheServicesTexts) {
  const auto error_of = [&](auto&& edit) {
    CreateRequest request = sample();
    edit(request);
    const auto result = tables_->create(scope_, request);
    return result.ok() ? std::string() : result.error().message();
  };
  const std::string prefix = "One or more parameter values were invalid: ";
  EXPECT_EQ(error_of([](CreateRequest& r) { r.keys[0].hash = false; }),
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type");
  EXPECT_EQ(error_of([](CreateRequest& r) { r.keys[1].hash = true; }),
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type");
  EXPECT_EQ(error_of([](CreateRequest& r) { r.billing = BillingMode::kProvisioned; }),
            prefix + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED");
  EXPECT_EQ(
      error_of([](CreateRequest& r) {
        r.throughput = Throughput{1, 1};
      }),
      prefix + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST");
  EXPECT_EQ(
      error_of([](CreateRequest& r) {
        r.definitions.push_back({"extra", model::KeyType::kString});
      }),
      prefix +
          "Some AttributeDefinitions are not used. AttributeDefinitions: [pk, sk, holder, age, extra], keys used: "
          "[age, holder, pk, sk]");
  EXPECT_EQ(error_of([](CreateRequest& r) { r.indexes[1].keys[0].name = "nope"; }),
            prefix +
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [nope], "
                "AttributeDefinitions: [pk, sk, holder, age]");
  EXPECT_EQ(error_of([](CreateRequest& r) { r.indexes[1].name = "by_age"; }), prefix + "Duplicate index name: by_age");
  EXPECT_EQ(error_of([](CreateRequest& r) { r.indexes[1].projection_type = "INCLUDE"; }),
            prefix + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified");
  EXPECT_EQ(error_of([](CreateRequest& r) {
              r.stream = StreamRequest{true, std::nullopt};
            }),
            prefix + "Table is being created with a stream enabled, UpdateViewType is required");
}

TEST_F(CatalogueTest, StreamsAreSwitchedOnAndOff) {
  CreateRequest request = sample();
  request.stream.reset();
  ASSERT_TRUE(tables_->create(scope_, request).ok());
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  UpdateRequest on;
  on.stream = StreamRequest{true, model::ViewType::kKeysOnly};
  UpdateRequest off;
  off.stream = StreamRequest{false, std::nullopt};
  EXPECT_EQ(tables_->update(scope_, "T", off).error().message(), "Table has no stream to disable: TableName: T");
  const auto enabled = tables_->update(scope_, "T", on);
  ASSERT_TRUE(enabled.ok());
  const std::string first_arn = enabled->info->stream->arn;
  EXPECT_EQ(tables_->update(scope_, "T", on).error().message(), "Table already has an enabled stream: TableName: T");
  put(R"({"pk":{"S":"a"},"sk":{"N":"2"}})");
  EXPECT_EQ(records().size(), 1u);
  ASSERT_TRUE(tables_->update(scope_, "T", off).ok());
  put(R"({"pk":{"S":"a"},"sk":{"N":"3"}})");
  EXPECT_EQ(records().size(), 1u);
  EXPECT_EQ(tables_->describe(scope_, "T")->info->stream->arn, first_arn);
  EXPECT_NE(tables_->update(scope_, "T", on)->info->stream->arn, first_arn);
  EXPECT_EQ(records().size(), 0u);
}

TEST_F(CatalogueTest, WithAwsTimingTablesAreCreatedUpdatedAndDeletedForAWhile) {
  options_.aws_timing = true;
  start();
  const auto status = [&] { return tables_->describe(scope_, "T")->status; };
  create_sample();
  EXPECT_EQ(status(), TableStatus::kCreating);
  EXPECT_EQ(put_error(R"({"pk":{"S":"a"},"sk":{"N":"1"}})"), "Requested resource not found");
  EXPECT_TRUE(tables_->remove(scope_, "T").error().is(kResourceInUse));
  EXPECT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).error().is(kResourceInUse));
  scheduler_.advance(kCreatingTime);
  EXPECT_EQ(status(), TableStatus::kActive);
  UpdateRequest off;
  off.stream = StreamRequest{false, std::nullopt};
  EXPECT_EQ(tables_->update(scope_, "T", off)->status, TableStatus::kUpdating);
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  EXPECT_TRUE(tables_->remove(scope_, "T").error().is(kResourceInUse));
  EXPECT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
  scheduler_.advance(kUpdatingTime);
  EXPECT_EQ(tables_->remove(scope_, "T")->status, TableStatus::kDeleting);
  EXPECT_EQ(status(), TableStatus::kDeleting);
  EXPECT_EQ(tables_->list(scope_, "", 10).names, std::vector<std::string>{"T"});
  EXPECT_EQ(tables_->create(scope_, sample()).error().message(), "Table already exists: T");
  EXPECT_TRUE(tables_->remove(scope_, "T").error().is(kResourceInUse));
  scheduler_.advance(kDeletingTime);
  EXPECT_TRUE(tables_->describe(scope_, "T").error().is(kResourceNotFound));
  EXPECT_TRUE(tables_->list(scope_, "", 10).names.empty());
  create_sample();
}

TEST_F(CatalogueTest, ResetEmptiesAllRegionsOfOneAccount) {
  create_sample();
  const Scope other{"111111111111", "us-east-1"};
  const Scope elsewhere{scope_.account, "eu-west-1"};
  ASSERT_TRUE(tables_->create(other, sample()).ok());
  ASSERT_TRUE(tables_->create(elsewhere, sample()).ok());
  tables_->reset(scope_.account);
  EXPECT_TRUE(tables_->list(scope_, "", 10).names.empty());
  EXPECT_TRUE(tables_->list(elsewhere, "", 10).names.empty());
  EXPECT_EQ(tables_->list(other, "", 10).names.size(), 1u);
}

// --- time to live ----------------------------------------------------------------------------------------------------

class ExpiryTest : public TablesTest {
 protected:
  ExpiryTest() { create_sample(); }
  std::int64_t in(Seconds delay) { return to_unix_s(scheduler_.now() + delay); }
  void put_expiring(int sk, std::int64_t at) {
    put(R"({"pk":{"S":"a"},"sk":{"N":")" + std::to_string(sk) + R"("},"ttl":{"N":")" + std::to_string(at) + R"("}})");
  }
  void enable() {
    const auto enabled = tables_->set_ttl(scope_, "T", "ttl", true);
    ASSERT_TRUE(enabled.ok()) << enabled.error().message();
    scheduler_.run_ready();
  }
  std::size_t count() { return tables_->scan(scope_, "T", {})->count; }
  std::size_t entries() {
    auto all = store_.iterate(storage::Family::kQueue, {"ttl/", "ttl0"});
    std::size_t found = 0;
    for (all->seek("ttl/"); all->valid(); all->next()) ++found;
    return found;
  }
};

TEST_F(ExpiryTest, ItemsGoWhenTheirTimeHasComeAndTheStreamSaysWhy) {
  enable();
  put_expiring(1, in(Seconds(10)));
  put_expiring(2, in(Seconds(20)));
  put(R"({"pk":{"S":"a"},"sk":{"N":"3"}})");
  scheduler_.advance(Seconds(9));
  EXPECT_EQ(count(), 3u);
  scheduler_.advance(Seconds(1));
  EXPECT_EQ(count(), 2u);
  scheduler_.advance(Seconds(60));
  EXPECT_EQ(count(), 1u);
  const auto all = records();
  EXPECT_EQ(all[3], R"(EXPIRE:{"pk":{"S":"a"},"sk":{"N":"1"}})");
  EXPECT_EQ(all.size(), 5u);
  EXPECT_EQ(entries(), 0u);
  EXPECT_EQ(tables_->next_expiry(), kNever);
}

TEST_F(ExpiryTest, ItemsThatWereThereBeforeExpireToo) {
  put_expiring(1, in(Seconds(-5)));
  put_expiring(2, in(Seconds(30)));
  enable();
  EXPECT_EQ(count(), 1u);
  scheduler_.advance(Seconds(30));
  EXPECT_EQ(count(), 0u);
}

TEST_F(ExpiryTest, WritesPendingWhileItIsEnabledAreNotMissed) {
  commits_->hold();
  put_expiring(1, in(Seconds(5)));
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
  scheduler_.run_ready();
  commits_->release();
  scheduler_.run_ready();
  scheduler_.advance(Seconds(5));
  EXPECT_EQ(count(), 0u);
}

TEST_F(ExpiryTest, GivingOldItemsTheirEntriesIsBusyUntilTheSweeperKnows) {
  put_expiring(1, in(Seconds(-5)));
  commits_->hold();
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
  ASSERT_TRUE(commits_->commit_one());
  scheduler_.run_ready();
  ASSERT_GE(commits_->waiting(), 1u);
  EXPECT_GT(scheduler_.busy().count(), 0);
  commits_->release();
  scheduler_.run_ready();
  EXPECT_EQ(scheduler_.busy().count(), 0);
  EXPECT_EQ(count(), 0u);
}

TEST_F(ExpiryTest, AnItemIsSavedByANewTime) {
  enable();
  put_expiring(1, in(Seconds(10)));
  put_expiring(2, in(Seconds(10)));
  put_expiring(1, in(Seconds(100)));
  update(R"({"pk":{"S":"a"},"sk":{"N":"2"}})", "REMOVE #t", R"({"#t":{"S":"ttl"}})");
  scheduler_.advance(Seconds(50));
  EXPECT_EQ(count(), 2u);
  scheduler_.advance(Seconds(50));
  EXPECT_EQ(count(), 1u);
}

TEST_F(ExpiryTest, OnlyNumbersOfTheLastFiveYearsCount) {
  enable();
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"ttl":{"S":"5"}})");
  put_expiring(2, in(-kExpiryHorizon - Seconds(5)));
  put_expiring(3, in(Seconds(5)) * 1000);
  put(R"({"pk":{"S":"a"},"sk":{"N":"4"},"ttl":{"N":")" + std::to_string(in(Seconds(5))) + R"(.5"}})");
  put_expiring(5, in(-kExpiryHorizon + Seconds(60)));
  scheduler_.run_ready();
  EXPECT_EQ(count(), 4u);
  scheduler_.advance(Seconds(6));
  EXPECT_EQ(count(), 3u);
}

TEST_F(ExpiryTest, NothingExpiresAfterItWasDisabled) {
  enable();
  put_expiring(1, in(Seconds(10)));
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "ttl", false).ok());
  scheduler_.advance(Seconds(20));
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(entries(), 0u);
}

TEST_F(ExpiryTest, ManyExpireInChunksAndARestartGoesOn) {
  enable();
  for (int i = 0; i < static_cast<int>(kSweepChunk) + 50; ++i) put_expiring(i, in(Seconds(10)));
  start();
  scheduler_.run_ready();
  EXPECT_EQ(tables_->next_expiry(), from_unix_ms(in(Seconds(10)) * 1000));
  scheduler_.advance(Seconds(10));
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(scheduler_.busy().count(), 0);
}

TEST_F(ExpiryTest, AnIdleTableCostsNoTimer) {
  scheduler_.run_ready();
  const std::size_t before = scheduler_.timer_count();
  enable();
  EXPECT_EQ(scheduler_.timer_count(), before);
  put_expiring(1, in(Seconds(10)));
  EXPECT_EQ(scheduler_.timer_count(), before + 1);
}

TEST_F(ExpiryTest, SettingsAreRefusedWithTheServicesTexts) {
  const auto error_of = [&](std::string_view attribute, bool enabled) {
    const auto result = tables_->set_ttl(scope_, "T", attribute, enabled);
    return result.ok() ? std::string() : result.error().message();
  };
  EXPECT_EQ(error_of("ttl", false), "TimeToLive is already disabled");
  EXPECT_EQ(error_of("ttl", true), "");
  EXPECT_EQ(error_of("ttl", true), "TimeToLive is already enabled");
  EXPECT_EQ(error_of("other", true), "TimeToLive is active on a different AttributeName: current AttributeName is ttl");
  EXPECT_EQ(error_of("ttl", false), "");
}

TEST_F(ExpiryTest, TheCoolDownIsKeptOnRequest) {
  options_.aws_timing = true;
  start();
  ASSERT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
  EXPECT_EQ(tables_->set_ttl(scope_, "T", "ttl", false).error().message(),
            "Time to live has been modified multiple times within a fixed interval");
  scheduler_.advance(kTtlCoolDown);
  EXPECT_TRUE(tables_->set_ttl(scope_, "T", "ttl", false).ok());
}

}  // namespace
}  // namespace millrace::tables
