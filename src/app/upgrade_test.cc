#include "app/upgrade.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "storage/memory/memory_store.h"
#include "tables/keys.h"

namespace millrace::app {
namespace {

using storage::Family;
using testing::HasSubstr;

class UpgradeTest : public testing::Test {
 protected:
  UpgradeTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-upgrade-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    storage::DataDirectory::open(path(), "test").value().reset();
    std::ofstream(path() + "/millrace.json") << "{\"format\":1}";
  }
  ~UpgradeTest() override { std::filesystem::remove_all(root_); }
  std::string path() const { return root_ + "/data"; }
  void put_record(const std::string& record) {
    storage::WriteBatch batch;
    batch.put(Family::kCatalogue, tables::table_key(tables::TableId(7)), record);
    ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());
  }

  std::string root_;
  storage::MemoryStore store_;
};

// As format 1 wrote it: nothing says which number the next index gets.
constexpr const char* kOldTable =
    R"({"v":1,"account":"000000000000","region":"us-east-1","name":"posts","id":7,"uuid":"u","created":1,)"
    R"("keys":{"partition":{"name":"id","type":"S"}},"definitions":[{"name":"id","type":"S"}],)"
    R"("indexes":[{"number":3,"name":"i","global":true,"keys":{"partition":{"name":"id","type":"S"}},"projection":0,)"
    R"("attributes":[],"throughput":{"read":0,"write":0}}],"pay_per_request":true,"tags":{"a":"b"}})";

TEST_F(UpgradeTest, RewritesWhatFormat1WroteOnceAndNotesIt) {
  put_record(kOldTable);
  {
    const auto directory = storage::DataDirectory::open(path(), "test").value();
    ASSERT_EQ(directory->format(), 1);
    ASSERT_TRUE(upgrade(*directory, store_).ok());
    EXPECT_EQ(directory->format(), storage::kDataFormat);
    ASSERT_TRUE(upgrade(*directory, store_).ok());
    EXPECT_EQ(store_.writes(), 2U) << "the record's own and one for the step";
  }
  const auto record = store_.get(Family::kCatalogue, tables::table_key(tables::TableId(7))).value();
  EXPECT_THAT(*record, AllOf(HasSubstr("\"next_index\":4"), HasSubstr("\"name\":\"posts\""), HasSubstr("\"a\":\"b\"")));
  EXPECT_EQ(storage::DataDirectory::open(path(), "test").value()->format(), storage::kDataFormat);
}

TEST_F(UpgradeTest, AFailureLeavesTheOldFormat) {
  put_record("damaged");
  EXPECT_FALSE(upgrade(*storage::DataDirectory::open(path(), "test").value(), store_).ok());
  put_record(kOldTable);
  store_.fail_write_after(0);
  EXPECT_FALSE(upgrade(*storage::DataDirectory::open(path(), "test").value(), store_).ok());
  EXPECT_EQ(storage::DataDirectory::open(path(), "test").value()->format(), 1);
  store_.heal();
  EXPECT_TRUE(upgrade(*storage::DataDirectory::open(path(), "test").value(), store_).ok());
}

}  // namespace
}  // namespace millrace::app
