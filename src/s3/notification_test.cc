#include "s3/notification.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "delivery/delivery.h"
#include "s3/errors.h"
#include "s3/internal/world_test.h"
#include "s3/target.h"

namespace millrace::s3 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kQueue = "arn:aws:sqs:us-east-1:000000000000:q";

Result<NotificationConfiguration> parse(const std::string& queues) {
  return parse_notifications(*codec::parse_json(R"({"QueueConfigurations":[)" + queues + "]}"));
}
std::string rule(const std::string& events, const std::string& filters = "") {
  return std::string(R"({"Id":")") + std::to_string(std::hash<std::string>()(events + filters)) + R"(","QueueArn":")" +
         kQueue + R"(","Events":[)" + events + "]" +
         (filters.empty() ? "" : R"(,"Filter":{"Key":{"FilterRules":[)" + filters + "]}}") + "}";
}
std::string error(const std::string& queues) {
  const auto parsed = parse(queues);
  return parsed.ok() ? "" : parsed.error().message();
}

TEST(Notification, PrefixSuffixAndEventDecide) {
  const auto parsed = parse(rule(R"("s3:ObjectCreated:*","s3:ObjectRemoved:Delete")",
                                 R"({"Name":"Prefix","Value":"a/"},{"Name":"suffix","Value":".x"})"));
  ASSERT_TRUE(parsed.ok());
  const NotificationRule& only = parsed->rules.at(0);
  EXPECT_TRUE(only.wants(ObjectEvent::kPut, "a/b.x"));
  EXPECT_TRUE(only.wants(ObjectEvent::kCompleteMultipartUpload, "a/b.x"));
  EXPECT_TRUE(only.wants(ObjectEvent::kDelete, "a/b.x"));
  EXPECT_FALSE(only.wants(ObjectEvent::kExpiration, "a/b.x"));
  EXPECT_FALSE(only.wants(ObjectEvent::kPut, "b/b.x"));
  EXPECT_FALSE(only.wants(ObjectEvent::kPut, "a/b.y"));
  EXPECT_EQ(parse_notifications(parsed->to_json())->to_json(), parsed->to_json());
}

TEST(Notification, BadConfigurationsAreRefused) {
  EXPECT_THAT(error(rule(R"("s3:ObjectRestore:Post")")), HasSubstr("nothing here causes it"));
  EXPECT_EQ(error(rule(R"("s3:Nonsense")")), "A specified event is not supported for notifications");
  EXPECT_EQ(error(rule(R"("s3:ObjectCreated:*")", R"({"Name":"middle","Value":"x"})")),
            "filter rule name must be either prefix or suffix");
  EXPECT_THAT(error(rule(R"("s3:ObjectCreated:*")") + "," + rule(R"("s3:ObjectCreated:Put")")), HasSubstr("overlap"));
  EXPECT_EQ(error(rule(R"("s3:ObjectCreated:*")", R"({"Name":"prefix","Value":"a"})") + "," +
                  rule(R"("s3:ObjectCreated:*")", R"({"Name":"prefix","Value":"b"})")),
            "");
  EXPECT_THAT(error(rule(R"("s3:ObjectCreated:*")", R"({"Name":"prefix","Value":"a"})") + "," +
                    rule(R"("s3:ObjectCreated:*")", R"({"Name":"prefix","Value":"ab"})")),
              HasSubstr("ambiguously defined"));
  EXPECT_THAT(error(R"({"QueueArn":"arn:aws:sns:x:y:z","Events":["s3:ObjectCreated:*"]})"), HasSubstr("ARN"));
}

TEST(Notification, KeysAreEncodedAsInAForm) {
  ObjectInfo object;
  object.key = "a b/\xC3\xBC+";
  Occurrence what;
  what.object = &object;
  what.sequence = 0xABC;
  const std::string text = event_document(what, "id");
  EXPECT_THAT(text, HasSubstr(R"("key":"a+b/%C3%BC%2B","size":0,"eTag":"","sequencer":"010000000000000ABC")"));
}

class Mailbox final : public delivery::Target {
 public:
  Result<void> check(std::string_view arn) override {
    if (arn == kQueue) return {};
    return Error(delivery::kNoSuchTarget, "gone");
  }
  Result<delivery::AfterCommit> stage(std::string_view, const delivery::Message& message,
                                      storage::WriteBatch& batch) override {
    batch.put(storage::Family::kQueue, "x", "x");
    return delivery::AfterCommit([this, body = message.body] {
      const auto json = codec::parse_json(body);
      const auto* records = json->find("Records");
      events.emplace_back(records == nullptr ? json->string_or("Event", "")
                                             : records->as_array().at(0).string_or("eventName", ""));
      if (records == nullptr) return;
      sequencers.emplace_back(records->as_array().at(0).find("s3")->find("object")->string_or("sequencer", ""));
    });
  }
  std::vector<std::string> events;
  std::vector<std::string> sequencers;
};

// A bucket whose events go to a mailbox.
struct NotifyingBucket {
  NotifyingBucket() {
    delivery.add("sqs", mailbox);
    world.objects->notify_through(delivery);
    EXPECT_TRUE(world.objects->create_bucket(internal::kAccount, "us-east-1", "bucket").ok());
  }
  internal::World world;
  delivery::Delivery delivery;
  Mailbox mailbox;
};

TEST(Notification, SequencersRiseThoughTheClockIsSetBack) {
  NotifyingBucket notifying;
  auto& [world, delivery, mailbox] = notifying;
  const auto rules = parse(rule(R"("s3:ObjectCreated:*")"));
  ASSERT_TRUE(
      world.objects->set_notifications(internal::kAccount, "bucket", *rules, ObjectStore::DestinationCheck::kSkip)
          .ok());
  for (int i = 0; i < 3; ++i) {
    for (int n = 0; n < 3; ++n) ASSERT_TRUE(world.put("k", "x").ok());
    world.scheduler->run_ready();
    world.now -= std::chrono::hours(24 * 365);
    world.restart();
    world.objects->notify_through(delivery);
  }
  ASSERT_EQ(mailbox.sequencers.size(), 9U);
  for (std::size_t i = 1; i < 9; ++i) EXPECT_GT(mailbox.sequencers[i], mailbox.sequencers[i - 1]);
}

TEST(Notification, AnEventArrivesOnceTheChangeIsDurable) {
  NotifyingBucket notifying;
  auto& [world, delivery, mailbox] = notifying;
  using Check = ObjectStore::DestinationCheck;
  const auto rules = parse(rule(R"("s3:ObjectCreated:*","s3:ObjectRemoved:*")"));
  ASSERT_TRUE(world.objects->set_notifications(internal::kAccount, "bucket", *rules, Check::kCheck).ok());
  world.scheduler->run_ready();
  EXPECT_THAT(mailbox.events, ElementsAre("s3:TestEvent"));
  mailbox.events.clear();
  ASSERT_TRUE(world.put("k", "x").ok());
  EXPECT_THAT(mailbox.events, IsEmpty());
  world.scheduler->run_ready();
  ASSERT_TRUE(world.objects->delete_object(internal::kAccount, "bucket", "k").ok());
  world.scheduler->run_ready();
  EXPECT_THAT(mailbox.events, ElementsAre("ObjectCreated:Put", "ObjectRemoved:Delete"));
  auto elsewhere = *rules;
  elsewhere.rules[0].arn = "arn:aws:sqs:eu-west-1:000000000000:q";
  EXPECT_THAT(
      world.objects->set_notifications(internal::kAccount, "bucket", elsewhere, Check::kCheck).error().message(),
      HasSubstr("region"));
}

TEST(Notification, ABucketIsATargetAndNotEmptyMeanwhile) {
  internal::World world;
  ASSERT_TRUE(world.objects->create_bucket(internal::kAccount, "us-east-1", "bucket").ok());
  BucketTarget target(*world.objects);
  EXPECT_TRUE(target.check("arn:aws:s3:::bucket").ok());
  EXPECT_TRUE(target.check("arn:aws:s3:::none").error().is(delivery::kNoSuchTarget));
  EXPECT_TRUE(target.check(kQueue).error().is(delivery::kUnsupportedTarget));
  storage::WriteBatch batch;
  delivery::Message message{.body = std::string(100'000, 'x')};
  EXPECT_FALSE(target.stage("arn:aws:s3:::bucket", message, batch).ok());
  message.object_key = delivery::document_key("aws/lambda/id", from_unix_ms(1'789'651'752'967));
  auto staged = target.stage("arn:aws:s3:::bucket", message, batch);
  ASSERT_TRUE(staged.ok());
  EXPECT_TRUE(world.objects->delete_bucket(internal::kAccount, "bucket").error().is(kBucketNotEmpty));
  world.commits->submit(std::move(batch));
  world.scheduler->run_ready();
  const auto page = world.objects->list_objects(internal::kAccount, "bucket", {});
  ASSERT_EQ(page->objects.size(), 1u);
  const std::string& key = page->objects[0].key;
  EXPECT_TRUE(key.starts_with("aws/lambda/id/2026/09/17/2026-09-17T13.29.12-")) << key;
  EXPECT_EQ(world.get(key), message.body);
  EXPECT_EQ(page->objects[0].attributes.content_type, "application/octet-stream");
}

}  // namespace
}  // namespace millrace::s3
