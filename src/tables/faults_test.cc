// Whatever write or read of the store fails, in whatever operation: after a restart everything fits together.
#include <gmock/gmock.h>

#include "tables/check.h"
#include "tables/fixture_test.h"

namespace millrace::tables {
namespace {

using storage::MemoryStore;
using ::testing::IsEmpty;

class FaultLoopTest : public TablesTest {
 protected:
  // One of everything that writes. Failures are expected; what was acknowledged is noted.
  void work() {
    acknowledged_.clear();
    const auto note = [this](const std::string& key, const Result<WriteResult>& result) {
      if (result.ok() && commits_->durable() >= result->after_commit) acknowledged_.push_back(key);
    };
    for (int i = 0; i < 3; ++i) {
      const std::string key = R"({"pk":{"S":"p)" + std::to_string(i) + R"("},"sk":{"N":"1"})";
      note(key + "}", write(WriteKind::kPut, key + R"(,"holder":{"S":"h"},"age":{"N":"7"},"ttl":{"N":"4102444800"}})"));
    }
    (void)write(WriteKind::kUpdate, R"({"pk":{"S":"p0"},"sk":{"N":"1"}})",
                {"", "SET holder = :x", R"({":x":{"S":"x"}})", false});
    (void)tables_->set_ttl(scope_, "T", "ttl", true);
    (void)tables_->update(scope_, "T", create_by_city());
    scheduler_.run_ready();
    std::vector<TransactionEntry> entries(2);
    for (int i = 0; i < 2; ++i) {
      entries[static_cast<std::size_t>(i)].table = "T";
      entries[static_cast<std::size_t>(i)].request.item =
          item(R"({"pk":{"S":"t)" + std::to_string(i) + R"("},"sk":{"N":"1"},"city":{"S":"c"}})");
    }
    (void)tables_->transact(scope_, entries, TransactionToken{"token", 1});
    (void)write(WriteKind::kDelete, R"({"pk":{"S":"t1"},"sk":{"N":"1"}})");
    (void)tables_->create(scope_, sample("U"));
    (void)tables_->remove(scope_, "U");
    scheduler_.run_ready();
  }
  // Whether the armed failure struck.
  bool check(const std::string& what) {
    const bool struck = store_.has_failed();
    store_.heal();
    start();
    scheduler_.run_ready();
    for (const std::string& key : acknowledged_) EXPECT_NE(get(key), "") << what << " lost " << key;
    const bool first = !get(R"({"pk":{"S":"t0"},"sk":{"N":"1"}})").empty();
    const bool deleted = get(R"({"pk":{"S":"t1"},"sk":{"N":"1"}})").empty();
    EXPECT_TRUE(first || deleted) << what << ": half of a transaction";
    std::vector<std::string> problems;
    const auto checked = check_tables(
        store_, [&](std::string problem) { problems.push_back(std::move(problem)); }, [](std::uint64_t) {});
    EXPECT_TRUE(checked.ok());
    EXPECT_THAT(problems, IsEmpty()) << what;
    put(R"({"pk":{"S":"goes on"},"sk":{"N":"1"}})");
    // For the next round as if nothing had been.
    for (const char* name : {"T", "U"}) (void)tables_->remove(scope_, name);
    scheduler_.run_ready();
    EXPECT_TRUE(tables_->create(scope_, sample()).ok());
    return struck;
  }

  std::vector<std::string> acknowledged_;
};

TEST_F(FaultLoopTest, AFailedWriteLeavesNothingByHalf) {
  create_sample();
  for (const auto outcome : {MemoryStore::Outcome::kNotApplied, MemoryStore::Outcome::kApplied}) {
    bool struck = true;
    std::uint64_t n = 0;
    for (; struck && n < 200; ++n) {
      store_.fail_write_after(n, outcome);
      work();
      struck = check("write " + std::to_string(n));
    }
    EXPECT_GT(n, 8U);
    EXPECT_LT(n, 200U) << "the loop ends with a round without failure";
  }
}

TEST_F(FaultLoopTest, AFailedReadLeavesNothingByHalf) {
  create_sample();
  bool struck = true;
  std::uint64_t n = 0;
  for (; struck && n < 400; ++n) {
    store_.fail_read_after(n);
    work();
    struck = check("read " + std::to_string(n));
  }
  EXPECT_GT(n, 8U);
  EXPECT_LT(n, 400U);
}

}  // namespace
}  // namespace millrace::tables
