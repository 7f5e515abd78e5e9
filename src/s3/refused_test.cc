// Writing that has stopped: a failed sync with a change of a bucket in flight, and lifecycle rules meanwhile.
#include <chrono>
#include <functional>

#include "s3/internal/world_test.h"

namespace millrace::s3 {
namespace {

using internal::kAccount;
using std::chrono::hours;

class S3Refused : public ::testing::Test {
 protected:
  S3Refused() {
    EXPECT_TRUE(world.objects->create_bucket(kAccount, "us-east-1", "bucket").ok());
    EXPECT_TRUE(world.put("key", "bytes").ok());
  }
  void refuse(const std::function<storage::CommitNumber()>& change) {
    world.store.fail_write_after(0);
    const storage::CommitNumber after = change();
    EXPECT_GT(after, world.commits->durable());
    world.commits->run_deferred();
    world.scheduler->run_ready();
  }
  bool is_shown(storage::CommitNumber after) const {
    return after <= world.commits->durable() || world.commits->is_settled(after, world.commits->settlements());
  }
  void expect_served() {
    const auto bucket = world.objects->bucket(kAccount, "bucket");
    ASSERT_TRUE(bucket.ok());
    EXPECT_TRUE(is_shown((*bucket)->after));
    EXPECT_TRUE((*bucket)->settings.empty());
    EXPECT_FALSE((*bucket)->lifecycle.has_value());
    EXPECT_EQ(world.objects->buckets(kAccount).size(), 1U);
    EXPECT_TRUE(is_shown(world.objects->last_removal()));
    const auto head = world.objects->head_object(kAccount, "bucket", "key");
    ASSERT_TRUE(head.ok());
    EXPECT_TRUE(is_shown(head->after));
    EXPECT_EQ(world.get("key"), "bytes");
    EXPECT_EQ(world.keys(), "key ");
    for (const char* name : {"bucket", "none"}) {
      const auto missing = world.objects->open_object(kAccount, name, "none");
      ASSERT_FALSE(missing.ok());
      EXPECT_TRUE(is_shown(missing.error().held_until())) << name;
    }
  }
  internal::World world;
};

TEST_F(S3Refused, SettingsAreThoseBefore) {
  refuse([this] { return *world.objects->set_setting(kAccount, "bucket", "tagging", codec::Json("a")); });
  expect_served();
}

TEST_F(S3Refused, LifecycleRulesAreThoseBefore) {
  LifecycleConfiguration rules;
  refuse([&] { return *world.objects->set_lifecycle(kAccount, "bucket", rules); });
  expect_served();
}

TEST_F(S3Refused, ADeletedBucketIsThere) {
  ASSERT_TRUE(world.objects->create_bucket(kAccount, "us-east-1", "other").ok());
  refuse([this] { return *world.objects->delete_bucket(kAccount, "other"); });
  EXPECT_TRUE(world.objects->bucket(kAccount, "other").ok());
  EXPECT_TRUE(is_shown(world.objects->last_removal()));
}

TEST_F(S3Refused, ACreatedBucketIsNot) {
  refuse([this] { return (*world.objects->create_bucket(kAccount, "us-east-1", "other"))->after; });
  expect_served();
}

TEST_F(S3Refused, AnObjectIsAsBefore) {
  refuse([this] { return world.put("none", "later")->after; });
  expect_served();
  EXPECT_EQ(world.get("none"), "NoSuchKey");
}

TEST_F(S3Refused, AnUploadThatWasBeingAbortedIsThere) {
  UploadRequest request;
  request.key = "parts";
  const auto upload = world.objects->create_upload(kAccount, "bucket", request);
  refuse([&] { return *world.objects->abort_upload(kAccount, "bucket", "parts", upload->id); });
  expect_served();
  const auto uploads = world.objects->list_uploads(kAccount, "bucket");
  ASSERT_EQ(uploads->size(), 1U);
  EXPECT_TRUE(is_shown(uploads->front().after));
}

TEST_F(S3Refused, RulesWaitUntilThereIsRoom) {
  const auto json =
      codec::parse_json(R"({"Rules":[{"ID":"r","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":1}}]})");
  ASSERT_TRUE(world.objects->set_lifecycle(kAccount, "bucket", parse_lifecycle(*json).value()).ok());
  world.scheduler->run_ready();
  world.store.set_room(storage::Room::Level::kNone);
  const auto writes = world.store.writes();
  world.scheduler->advance(hours(72));
  EXPECT_EQ(world.store.writes(), writes);
  EXPECT_EQ(world.keys(), "key ");
  EXPECT_EQ(world.scheduler->timer_count(), 0U);
  EXPECT_EQ(world.scheduler->busy().count(), 0);
  world.store.set_room(storage::Room::Level::kPlenty);
  world.commits->tell_accepting();
  world.scheduler->run_ready();
  EXPECT_EQ(world.keys(), "");
}

TEST_F(S3Refused, RulesDoNothingAfterAFailedSync) {
  const auto json =
      codec::parse_json(R"({"Rules":[{"ID":"r","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":1}}]})");
  ASSERT_TRUE(world.objects->set_lifecycle(kAccount, "bucket", parse_lifecycle(*json).value()).ok());
  world.scheduler->run_ready();
  refuse([this] { return world.put("later", "x")->after; });
  world.scheduler->advance(hours(72));
  EXPECT_EQ(world.get("key"), "bytes");
  EXPECT_EQ(world.get("none"), "NoSuchKey");
  EXPECT_TRUE(is_shown(world.objects->last_removal()));
}

}  // namespace
}  // namespace millrace::s3
