#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/key.h"
#include "sns/service.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::sns {
namespace {

using ::testing::HasSubstr;

TEST(SnsDamageTest, ARecordThatIsNotThatOfItsKeyIsNamedAtStart) {
  storage::MemoryStore store;
  testing::VirtualScheduler scheduler;
  testing::TestCommits commits(store, scheduler);
  platform::SeededRandom random(1);
  telemetry::Registry registry;
  delivery::Delivery delivery;
  const auto refusal = [&](const std::string& key, const std::string& value) {
    storage::WriteBatch batch;
    batch.put(storage::Family::kCatalogue, key, value);
    EXPECT_TRUE(store.write(batch, storage::Store::Sync::kSynced).ok());
    Service topics({store, commits, scheduler, random, registry, delivery});
    const auto loaded = topics.load();
    return loaded.ok() ? std::string("none") : loaded.error().message();
  };
  const std::string topic = codec::KeyWriter("sns/t/").text("1").text("r").text("t").str();
  const std::string subscription = codec::KeyWriter("sns/s/").text("1").text("r").text("t").str() + "id";
  EXPECT_THAT(refusal(topic, R"({"v":1,"account":"1","region":"r","name":"u"})"),
              HasSubstr("damaged topic in the data directory: sns/t/"));
  EXPECT_EQ(refusal(topic, R"({"v":1,"account":"1","region":"r","name":"t"})"), "none");
  EXPECT_THAT(refusal(subscription, R"({"v":1,"account":"1","region":"r","topic":"u","id":"id"})"),
              HasSubstr("damaged subscription of no topic"));
  EXPECT_THAT(refusal(subscription, R"({"v":1,"account":"1","region":"r","topic":"t","id":"other"})"),
              HasSubstr("damaged subscription in the data directory: sns/s/"));
  EXPECT_EQ(refusal(subscription, R"({"v":1,"account":"1","region":"r","topic":"t","id":"id"})"), "none");
}

}  // namespace
}  // namespace millrace::sns
