// The saved form of positions: what is damaged is refused, whole.
#include "triggers/internal/shard.h"

#include <gtest/gtest.h>

namespace millrace::triggers::internal {
namespace {

TEST(SavedShard, SurvivesBeingSaved) {
  SavedShard shard;
  shard.lanes = {{.settled = 7,
                  .planned = {{.last = 12,
                               .tries = {.invocations = 3,
                                         .failures = 2,
                                         .refusals = 1,
                                         .not_before = from_unix_ms(5000),
                                         .failing_since = from_unix_ms(4000)}}},
                  .window_opened = from_unix_ms(3000)},
                 {.settled = 9}};
  shard.previous = {{1, 2, 3}};
  shard.finished = true;
  shard.last_result = "OK";
  const auto again = decode_shard(encode(shard));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, shard);
}

TEST(SavedShard, IsRefusedWhenItIsDamaged) {
  for (const char* text : {"", "{}", R"({"v":2,"lanes":[{"position":1}]})", R"({"v":1,"lanes":[]})",
                           R"({"v":1,"lanes":7})", R"({"v":1,"lanes":[{"position":1}],"previous":[[]]})",
                           R"({"v":1,"lanes":[{"position":1}],"previous":[[1,"2"]]})",
                           R"({"v":1,"lanes":[{"position":1}],"previous":[7]})"}) {
    EXPECT_FALSE(decode_shard(text).ok()) << text;
  }
}

}  // namespace
}  // namespace millrace::triggers::internal
