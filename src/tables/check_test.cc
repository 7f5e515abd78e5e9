#include "tables/check.h"

#include <gmock/gmock.h>

#include "codec/key.h"
#include "storage/log_key.h"
#include "tables/fixture_test.h"
#include "tables/keys.h"

namespace millrace::tables {
namespace {

using storage::Family;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckTest : public TablesTest {
 protected:
  CheckTest() {
    create_sample();
    EXPECT_TRUE(tables_->set_ttl(scope_, "T", "ttl", true).ok());
    scheduler_.run_ready();
    for (int i = 0; i < 5; ++i) {
      put(R"({"pk":{"S":"p)" + std::to_string(i) +
          R"("},"sk":{"N":"1"},"holder":{"S":"h"},"age":{"N":"7"},"ttl":{"N":"4102444800"}})");
    }
    EXPECT_TRUE(write(WriteKind::kDelete, R"({"pk":{"S":"p4"},"sk":{"N":"1"}})").ok());
  }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    const auto checked = check_tables(
        store_, [&](std::string problem) { found.push_back(std::move(problem)); }, [](std::uint64_t) {});
    EXPECT_TRUE(checked.ok()) << (checked.ok() ? "" : checked.error().message());
    return found;
  }
  void change(const std::function<void(storage::WriteBatch&)>& how) {
    storage::WriteBatch batch;
    how(batch);
    ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());
  }
  std::string first_key(const std::string& prefix, Family family = Family::kItems) {
    const auto it = store_.iterate(family, {prefix, storage::prefix_end(prefix)});
    it->seek(prefix);
    return std::string(it->key());
  }
  TableId id() { return (*tables_->info(scope_, "T"))->id; }
};

TEST_F(CheckTest, FindsNothingInWhatTheServerWrites) {
  EXPECT_THAT(problems(), IsEmpty());
  const auto counts = check_tables(
                          store_, [](auto) {}, [](auto) {})
                          .value();
  EXPECT_EQ(counts.items, 4U);
  EXPECT_EQ(counts.index_entries, 8U);
  EXPECT_EQ(counts.expiry_entries, 4U);
  EXPECT_EQ(counts.records, 6U);
}

TEST_F(CheckTest, FindsAnItemThatVanished) {
  change([&](auto& batch) { batch.erase(Family::kItems, first_key(item_prefix(id(), 0))); });
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("of index by_age of table T is of an item that does not exist"),
                                      HasSubstr("of index by_holder of table T is of an item that does not exist"),
                                      HasSubstr("counter of the items of table T says 4, there are 3"),
                                      HasSubstr("counter of the bytes of table T"),
                                      HasSubstr("is not what its last stream record")));
}

TEST_F(CheckTest, FindsALostIndexEntryAndALostExpiry) {
  change([&](auto& batch) {
    batch.erase(Family::kItems, first_key(item_prefix(id(), 2)));
    batch.erase(Family::kQueue, first_key("ttl/", Family::kQueue));
  });
  EXPECT_THAT(problems(), ::testing::UnorderedElementsAre(
                              HasSubstr("has no entry in index by_holder"), HasSubstr("would never expire"),
                              HasSubstr("counter of the items of index by_holder of table T says 4"),
                              HasSubstr("counter of the bytes of index by_holder")));
}

TEST_F(CheckTest, FindsARecordThatIsLostBetweenOthers) {
  for (const char* age : {"8", "9"}) {
    put(R"({"pk":{"S":"p0"},"sk":{"N":"1"},"holder":{"S":"h"},"age":{"N":")" + std::string(age) +
        R"("},"ttl":{"N":"4102444800"}})");
  }
  EXPECT_THAT(problems(), IsEmpty());
  std::vector<std::string> keys;
  const auto it = store_.iterate(Family::kLog, {});
  for (it->seek(""); it->valid(); it->next()) keys.emplace_back(it->key());
  ASSERT_EQ(keys.size(), 8U);  // the last three but one: p4 goes, p0 changes twice
  change([&](auto& batch) { batch.erase(Family::kLog, keys[6]); });
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("of the same item ended: a record between them is lost")));
  change(
      [&](auto& batch) { batch.put(Family::kLog, storage::log_key(1'000'000, storage::Stamp{1} << 60), "12345678"); });
  EXPECT_THAT(problems(), ::testing::Contains(HasSubstr("of shard number 1000000, which was never made")));
}

TEST_F(CheckTest, FindsDamagedBytesStraysAndWrongRecords) {
  change([&](auto& batch) {
    batch.put(Family::kItems, first_key(item_prefix(id(), 1)), "nonsense");
    batch.put(Family::kItems, item_prefix(TableId(99), 0) + "x", "y");
    const std::string record = first_key("", Family::kLog);
    batch.put(Family::kLog, record, "12345678nonsense");
    batch.put(Family::kLog, storage::log_key(1, storage::Stamp{1} << 60), "12345678");
  });
  EXPECT_THAT(problems(), ::testing::IsSupersetOf({HasSubstr("of index by_age of table T cannot be decoded"),
                                                   HasSubstr("table number 99, which does not exist"),
                                                   HasSubstr("cannot be decoded"), HasSubstr("lies beyond its head")}));
}

}  // namespace
}  // namespace millrace::tables
