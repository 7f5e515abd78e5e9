#include "app/internal/check_catalogues.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/memory/memory_store.h"

namespace millrace::app {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckCataloguesTest : public ::testing::Test {
 protected:
  void put(std::string_view key, std::string_view value) {
    storage::WriteBatch batch;
    batch.put(storage::Family::kCatalogue, key, value);
    ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());
  }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    check_catalogues(store_, [&](std::string problem) { found.push_back(std::move(problem)); });
    return found;
  }
  storage::MemoryStore store_;
};

TEST_F(CheckCataloguesTest, FindsNothingInAnEmptyStore) { EXPECT_THAT(problems(), IsEmpty()); }

TEST_F(CheckCataloguesTest, FindsDocumentsThatCannotBeRead) {
  for (const auto& [key, what] :
       {std::pair("sns/t/x", "topics"), std::pair("events/rules/x", "rules of EventBridge"),
        std::pair("records/x", "records of Systems Manager"), std::pair("iam/policies/x", "managed policies"),
        std::pair("iam/users/x", "users and groups"), std::pair("logs/groups/x", "logs"),
        std::pair("metrics/alarms/x", "alarms"), std::pair("stacks/stack/x", "stacks/stack/x cannot be decoded")}) {
    put(key, "{\"damaged");
    EXPECT_THAT(problems(), Contains(HasSubstr(what))) << key;
  }
}

TEST_F(CheckCataloguesTest, FindsReferencesToWhatIsNotThere) {
  put("iam/roles/000000000000/r", R"({"v":1,"account":"000000000000","name":"r","path":"/","trust":"{}",
                        "attached":["arn:aws:iam::aws:policy/AdministratorAccess","arn:aws:iam::000000000000:policy/no"]})");
  put("stacks/event/gone/0000000001", "{}");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("has the policy arn:aws:iam::000000000000:policy/no"),
                                      HasSubstr("an event of the stack gone, which does not exist")));
}

}  // namespace
}  // namespace millrace::app
