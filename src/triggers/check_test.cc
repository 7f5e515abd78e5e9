// Damage that is planted in a store, and whether check_mappings() names it.
#include "triggers/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/log_key.h"
#include "storage/memory/memory_store.h"
#include "triggers/history.h"
#include "triggers/internal/ledger.h"
#include "triggers/internal/shard.h"
#include "triggers/mapping.h"

namespace millrace::triggers {
namespace {

using storage::Family;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kUuid = "11111111-2222-4333-8444-555555555555";
constexpr const char* kOther = "99999999-2222-4333-8444-555555555555";

constexpr SequenceNumber kNextStamp = 1000;  // of the log's head

class MappingCheckTest : public ::testing::Test {
 protected:
  MappingCheckTest() {
    mapping_.uuid = kUuid;
    mapping_.stream_arn = "arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/2026-01-01T00:00:00.000";
    mapping_.function_arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    mapping_.starting_position = "LATEST";
    mapping_.start_after = 100;
    put(std::string(kMappingPrefix) + kUuid, encode(mapping_));
    std::string head;
    storage::append_be64(head, kNextStamp);
    storage::append_be64(head, 0);
    put("store/head", head);
  }
  void put(const std::string& key, std::string_view value, Family family = Family::kCatalogue) {
    storage::WriteBatch batch;
    batch.put(family, key, value);
    ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kUnsynced).ok());
  }
  void put_position(const std::string& uuid, SequenceNumber settled) {
    internal::SavedShard shard;
    shard.lanes.resize(1);
    shard.lanes[0].settled = settled;
    put(std::string(kMappingPrefix) + uuid + "/7", internal::encode(shard));
  }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    const auto checked = check_mappings(store_, [&](std::string text) { found.push_back(std::move(text)); });
    EXPECT_TRUE(checked.ok());
    if (checked.ok()) counts_ = *checked;
    return found;
  }

  storage::MemoryStore store_;
  Mapping mapping_;
  MappingCheckCounts counts_;
};

TEST_F(MappingCheckTest, WhatIsWholeIsCountedAndNotComplainedOf) {
  put_position(kUuid, 200);
  put(std::string(internal::kTotalsPrefix) + kUuid, internal::encode(internal::SavedTotals{}));
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_EQ(counts_.mappings, 1U);
  EXPECT_EQ(counts_.positions, 1U);
}

TEST_F(MappingCheckTest, DamagedRecordsAreNamed) {
  put(std::string(kMappingPrefix) + kOther, "{");
  put(std::string(kMappingPrefix) + kUuid + "/7", "damage");
  put(std::string(internal::kTotalsPrefix) + kUuid, "damage");
  EXPECT_THAT(problems(),
              ElementsAre(HasSubstr("The position of mapping " + std::string(kUuid) + " in shard 7 is damaged"),
                          HasSubstr("The record of mapping " + std::string(kOther) + " is damaged"),
                          HasSubstr("The totals of mapping " + std::string(kUuid) + " are damaged")));
}

TEST_F(MappingCheckTest, ARecordUnderTheKeyOfAnotherMappingIsDamage) {
  put(std::string(kMappingPrefix) + kOther, encode(mapping_));
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("The record of mapping " + std::string(kOther) + " is damaged")));
}

TEST_F(MappingCheckTest, WhatIsLeftOfNoMappingIsNamed) {
  put_position(kOther, 5);
  put(std::string(internal::kTotalsPrefix) + kOther, internal::encode(internal::SavedTotals{}));
  put(std::string(kHistoryPrefix) + kOther + "/1", "x", Family::kText);
  put(std::string(kHistoryPrefix) + kOther + "/2", "x", Family::kText);
  EXPECT_THAT(problems(),
              ElementsAre(HasSubstr("is of a mapping that does not exist"), HasSubstr("There are totals of mapping"),
                          HasSubstr("There is a history of mapping")));
}

TEST_F(MappingCheckTest, PositionsBeyondTheEndOfTheLogAreNamed) {
  const SequenceNumber beyond = kNextStamp;
  put_position(kUuid, beyond - 1);
  EXPECT_THAT(problems(), IsEmpty());
  put_position(kUuid, beyond);
  mapping_.start_after = beyond;
  put(std::string(kMappingPrefix) + kUuid, encode(mapping_));
  EXPECT_THAT(problems(),
              ElementsAre(HasSubstr("starts after " + std::to_string(beyond) + ", beyond the end of the log"),
                          HasSubstr("is " + std::to_string(beyond) + ", beyond the end of the log")));
}

}  // namespace
}  // namespace millrace::triggers
