#include <gtest/gtest.h>

#include "records/records.h"
#include "testing/live_world.h"

namespace millrace::records {
namespace {

using codec::Json;

TEST(RecordsThreadsTest, ChangesOfOneDocumentFollowEachOther) {
  constexpr int kRounds = 300;
  testing::LiveWorld world;
  Records records(world.store, world.commits());
  ASSERT_TRUE(records.load().ok());
  world.start();
  const Name name{"count", Scope{}, "n"};
  const auto add = [&](int) {
    EXPECT_TRUE(records
                    .change(name,
                            [](const Json* current) -> Result<Json> {
                              return Json::object({{"n", (current == nullptr ? 0 : current->int_or("n", 0)) + 1}});
                            })
                    .ok());
  };
  const auto read = [&](int) {
    (void)records.find(name);
    (void)records.list("count", Scope{});
    (void)records.last_commit();
  };
  testing::together(kRounds, {add, add, read, [&](int) { records.reset("another account"); }});
  EXPECT_EQ(records.find(name)->int_or("n", 0), 2 * kRounds);
  world.stop();
}

}  // namespace
}  // namespace millrace::records
