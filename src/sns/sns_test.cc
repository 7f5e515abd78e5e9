#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/json.h"
#include "platform/random.h"
#include "sns/errors.h"
#include "sns/service.h"
#include "sns/target.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::sns {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kQueue = "arn:aws:sqs:us-east-1:000000000000:q";
constexpr const char* kDead = "arn:aws:sqs:us-east-1:000000000000:dead";
constexpr const char* kFunction = "arn:aws:lambda:us-east-1:000000000000:function:f";

// Keeps what is staged in the batch, and shows it once that is committed; refuses on demand.
class Mailbox final : public delivery::Target {
 public:
  Result<void> check(std::string_view) override { return {}; }
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch& batch) override {
    batch.put(storage::Family::kQueue, "half of it", "x");
    if (std::string(arn) == refused) return Error(delivery::kNoSuchTarget, "gone");
    return delivery::AfterCommit([this, arn = std::string(arn), message] { arrived.emplace_back(arn, message); });
  }
  std::string refused;
  std::vector<std::pair<std::string, delivery::Message>> arrived;
  std::vector<std::string> bodies() const {
    std::vector<std::string> all;
    for (const auto& [arn, message] : arrived) all.push_back(message.body);
    return all;
  }
};

class SnsTest : public ::testing::Test {
 protected:
  SnsTest() {
    delivery_.add("sqs", mailbox_);
    delivery_.add("lambda", mailbox_);
    restart();
    EXPECT_TRUE(service_->create_topic(topic_, {}, {}).ok());
  }
  void restart() {
    service_ =
        std::make_unique<Service>(Service::Resources{store_, commits_, scheduler_, random_, registry_, delivery_});
    ASSERT_TRUE(service_->load().ok());
  }
  std::string subscribe(const Attributes& attributes = {{"RawMessageDelivery", "true"}},
                        const char* endpoint = kQueue) {
    auto arn = service_->subscribe(
        topic_, std::string_view(endpoint).find(":lambda:") == std::string_view::npos ? "sqs" : "lambda", endpoint,
        attributes, "000000000000");
    return arn.ok() ? *arn : arn.error().message();
  }
  void publish(const Outgoing& message) {
    const auto id = service_->publish(topic_, message);
    ASSERT_TRUE(id.ok()) << id.error().message();
    scheduler_.run_ready();
  }
  static Outgoing text(std::string body) { return {.body = std::move(body)}; }

  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  telemetry::Registry registry_;
  delivery::Delivery delivery_;
  Mailbox mailbox_;
  std::unique_ptr<Service> service_;
  const TopicName topic_{Scope{}, "orders"};
};

TEST_F(SnsTest, ASubscriberGetsTheMessageOnceItIsDurable) {
  subscribe();
  ASSERT_TRUE(service_->publish(topic_, text("hello")).ok());
  EXPECT_THAT(mailbox_.arrived, IsEmpty());
  EXPECT_GT(service_->last_commit(), commits_.durable());
  scheduler_.run_ready();
  EXPECT_THAT(mailbox_.bodies(), ElementsAre("hello"));
}

TEST_F(SnsTest, TheEnvelopeHasAwsLayout) {
  const std::string arn = subscribe({});
  publish({.body = "a \"b\"", .subject = "s", .attributes = {{"k", "String", "v"}, {"n", "Number", "1"}}});
  const std::string body = mailbox_.bodies().at(0);
  EXPECT_THAT(body, StartsWith("{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \""));
  EXPECT_THAT(body, HasSubstr(",\n  \"Subject\" : \"s\",\n  \"Message\" : \"a \\\"b\\\"\",\n  \"Timestamp\" : \""));
  EXPECT_THAT(body, HasSubstr("SubscriptionArn=" + arn +
                              "\",\n  \"MessageAttributes\" : {\n    \"k\" : "
                              R"({"Type":"String","Value":"v"})"
                              ",\n    \"n\" : "
                              R"({"Type":"Number","Value":"1"})"
                              "\n  }\n}"));
  EXPECT_TRUE(codec::parse_json(body).ok());
}

TEST_F(SnsTest, AFunctionGetsOneRecord) {
  subscribe({}, kFunction);
  publish(text("m"));
  const auto event = codec::parse_json(mailbox_.bodies().at(0));
  const auto& record = event->find("Records")->as_array().at(0);
  EXPECT_EQ(record.string_or("EventSource", ""), "aws:sns");
  EXPECT_TRUE(record.find("Sns")->find("Subject")->is_null());
  EXPECT_EQ(record.find("Sns")->find("MessageAttributes")->dump(), "{}");
}

TEST_F(SnsTest, FiltersSeeAttributesOrTheBody) {
  const auto passes = [](std::string_view policy, FilterScope scope, const Outgoing& message) {
    const auto filter = Filter::compile(policy, scope);
    EXPECT_TRUE(filter.ok()) << filter.error().message();
    return filter->passes(message);
  };
  constexpr auto kAttributes = FilterScope::kMessageAttributes;
  constexpr auto kBody = FilterScope::kMessageBody;
  const Outgoing message{
      .body = R"({"a":{"b":1}})",
      .attributes = {
          {"s", "String", "5"}, {"n", "Number", "5.0"}, {"l", "String.Array", R"(["x",1])"}, {"b", "Binary", "x"}}};
  EXPECT_TRUE(passes(R"({"s":["5"]})", kAttributes, message));
  EXPECT_FALSE(passes(R"({"s":[5]})", kAttributes, message));
  EXPECT_TRUE(passes(R"({"n":[{"numeric":["=",5]}]})", kAttributes, message));
  EXPECT_TRUE(passes(R"({"l":["x"],"s":[{"prefix":"5"}]})", kAttributes, message));
  EXPECT_FALSE(passes(R"({"b":["x"]})", kAttributes, message));
  EXPECT_TRUE(passes(R"({"b":[{"exists":false}]})", kAttributes, message));
  EXPECT_TRUE(passes(R"({"a":{"b":[1]}})", kBody, message));
  EXPECT_FALSE(passes(R"({"a":{"b":[1]}})", kBody, text("no JSON")));
  EXPECT_TRUE(passes("{}", kBody, text("no JSON")));
  for (const char* wrong : {"{", "[]", R"({"a":"x"})", R"({"a":[]})", R"({"a":{"b":["x"]}})", R"({"a":[{"nope":1}]})",
                            R"({"a":["x"],"b":["x"],"c":["x"],"d":["x"],"e":["x"],"f":["x"]})"}) {
    EXPECT_FALSE(Filter::compile(wrong, kAttributes).ok()) << wrong;
  }
}

TEST_F(SnsTest, AFilteredMessageIsNotSent) {
  subscribe({{"FilterPolicyScope", "MessageBody"}, {"FilterPolicy", R"({"a":{"b":["x"]}})"}});
  publish(text(R"({"a":{"b":"y"}})"));
  EXPECT_THAT(mailbox_.arrived, IsEmpty());
}

TEST_F(SnsTest, WhatIsRefusedGoesToTheDeadLetterQueueAndLeavesNothingBehind) {
  subscribe({{"RawMessageDelivery", "true"},
             {"RedrivePolicy", std::string(R"({"deadLetterTargetArn":")") + kDead + R"("})"}});
  mailbox_.refused = kQueue;
  publish(text("m"));
  ASSERT_EQ(mailbox_.arrived.size(), 1u);
  EXPECT_EQ(mailbox_.arrived[0].first, kDead);
  service_->set_subscription_attribute(*parse_subscription_arn(subscribe({})), "RedrivePolicy", "").ok();
  publish(text("lost"));
  EXPECT_EQ(mailbox_.arrived.size(), 1u);
}

TEST_F(SnsTest, TheSameSubscriptionTwiceIsOne) {
  const std::string arn = subscribe();
  EXPECT_EQ(subscribe(), arn);
  EXPECT_THAT(subscribe({{"RawMessageDelivery", "false"}}), HasSubstr("already exists with different attributes"));
  EXPECT_EQ(service_->list_subscriptions_of(topic_, "")->items.size(), 1u);
}

TEST_F(SnsTest, BadSubscriptionsAreRefused) {
  const auto error = [&](std::string_view protocol, std::string_view endpoint) {
    const auto made = service_->subscribe(topic_, protocol, endpoint, {}, "000000000000");
    return made.ok() ? "" : made.error().message();
  };
  EXPECT_THAT(error("https", "https://x"), HasSubstr("https subscriptions are not supported"));
  EXPECT_EQ(error("sqs", kFunction), "Invalid parameter: SQS endpoint ARN");
  EXPECT_EQ(error("lambda", kQueue), "Invalid parameter: Lambda endpoint ARN");
  EXPECT_THAT(error("sqs", std::string(kQueue) + ".fifo"), HasSubstr("FIFO SQS Queues"));
  EXPECT_THAT(subscribe({{"FilterPolicy", "["}}), StartsWith("Invalid parameter: Attributes Reason: FilterPolicy: "));
  EXPECT_THAT(subscribe({{"RawMessageDelivery", "true"}}, kFunction), HasSubstr("does not support raw"));
  EXPECT_THAT(subscribe({{"RedrivePolicy", R"({"deadLetterTargetArn":"x"})"}}), HasSubstr("invalid arn"));
  EXPECT_THAT(subscribe({{"Nonsense", "x"}}), HasSubstr("AttributeName"));
  EXPECT_THAT(service_->list_subscriptions({}, "")->items, IsEmpty());
}

TEST_F(SnsTest, EverythingIsThereAfterARestart) {
  ASSERT_TRUE(service_->set_topic_attribute(topic_, "DisplayName", "x").ok());
  ASSERT_TRUE(service_->tag(topic_, {{"k", "v"}}).ok());
  const Attributes given{{"FilterPolicy", R"({"a":["x"]})"}, {"FilterPolicyScope", "MessageBody"}};
  const auto name = parse_subscription_arn(subscribe(given));
  ASSERT_TRUE(service_->create_topic({Scope{}, "gone"}, {}, {}).ok());
  service_->delete_topic({Scope{}, "gone"});
  scheduler_.run_ready();
  restart();
  EXPECT_EQ(service_->all_topics().size(), 1u);
  const auto topic = service_->topic(topic_);
  EXPECT_EQ((*topic)->attributes.at("DisplayName"), "x");
  EXPECT_EQ((*topic)->tags.at("k"), "v");
  const auto subscription = service_->subscription(*name);
  ASSERT_TRUE(subscription.ok());
  EXPECT_EQ(subscription->subscription.filter.text(), R"({"a":["x"]})");
  EXPECT_EQ(subscription->subscription.filter.scope(), FilterScope::kMessageBody);
}

TEST_F(SnsTest, MessagesAreChecked) {
  const auto error = [&](const Outgoing& message) {
    const auto checked = check_message(message);
    return checked.ok() ? "" : checked.error().message();
  };
  EXPECT_EQ(error(text("")), "Invalid parameter: Empty message");
  EXPECT_EQ(error(text(std::string(256 * 1024 + 1, 'x'))), "Invalid parameter: Message too long");
  EXPECT_EQ(error({.body = "m", .subject = "a\nb"}), "Invalid parameter: Subject");
  EXPECT_EQ(error({.body = "m", .subject = std::string(101, 'x')}), "Invalid parameter: Subject");
  EXPECT_THAT(error({.body = "m", .attributes = {{"n", "Number", "x"}}}), HasSubstr("number"));
  EXPECT_THAT(error({.body = "m", .attributes = {{"n", "String.Array", "{}"}}}), HasSubstr("JSON array"));
  EXPECT_THAT(error({.body = "m", .attributes = {{"a..b", "String", "x"}}}), HasSubstr("invalid"));
  EXPECT_THAT(error({.body = "{}", .per_protocol = true}), HasSubstr("No default entry"));
  EXPECT_EQ(body_for({.body = R"({"default":"d","sqs":"q"})", .per_protocol = true}, "sqs"), "q");
  EXPECT_EQ(body_for({.body = R"({"default":"d","sqs":"q"})", .per_protocol = true}, "lambda"), "d");
}

TEST_F(SnsTest, ABatchIsOneCommitAndReportsEachEntry) {
  subscribe();
  const auto before = service_->last_commit();
  const auto results = service_->publish_batch(topic_, {{"a", text("1")}, {"b", text("")}, {"c", text("2")}});
  ASSERT_TRUE(results.ok());
  EXPECT_FALSE(results->at(1).message_id.ok());
  EXPECT_EQ(service_->last_commit(), before + 1);
  scheduler_.run_ready();
  EXPECT_THAT(mailbox_.bodies(), ElementsAre("1", "2"));
  EXPECT_TRUE(service_->publish_batch(topic_, {}).error().is(kEmptyBatchRequest));
  EXPECT_TRUE(
      service_->publish_batch(topic_, {{"a", text("1")}, {"a", text("1")}}).error().is(kBatchEntryIdsNotDistinct));
  EXPECT_TRUE(service_->publish_batch(topic_, {{"a b", text("1")}}).error().is(kInvalidBatchEntryId));
}

TEST_F(SnsTest, ATopicIsATarget) {
  subscribe({});
  TopicTarget target(*service_);
  EXPECT_TRUE(target.check(topic_arn(topic_)).ok());
  EXPECT_TRUE(target.check("arn:aws:sns:us-east-1:000000000000:none").error().is(delivery::kNoSuchTarget));
  EXPECT_TRUE(target.check(kQueue).error().is(delivery::kUnsupportedTarget));
  storage::WriteBatch batch;
  delivery::Message message{.body = "m"};
  message.subject = "Amazon S3 Notification";
  auto after = target.stage(topic_arn(topic_), message, batch);
  ASSERT_TRUE(after.ok());
  EXPECT_FALSE(batch.empty());
  EXPECT_THAT(mailbox_.arrived, IsEmpty());
  (*after)();
  EXPECT_THAT(mailbox_.bodies().at(0), HasSubstr("\"Subject\" : \"Amazon S3 Notification\""));
}

TEST_F(SnsTest, NamesAndArns) {
  EXPECT_TRUE(check_topic_name("a-B_9").ok());
  EXPECT_FALSE(check_topic_name("").ok());
  EXPECT_FALSE(check_topic_name("a b").ok());
  EXPECT_THAT(check_topic_name("x.fifo").error().message(), HasSubstr("FIFO topics are not supported"));
  EXPECT_FALSE(parse_topic_arn("arn:aws:sqs:us-east-1:000000000000:x"));
  EXPECT_FALSE(parse_topic_arn("arn:aws:sns:us-east-1:000000000000"));
  EXPECT_FALSE(parse_subscription_arn(topic_arn(topic_)));
  EXPECT_EQ(parse_topic_arn("arn:aws-cn:sns:us-east-1:000000000000:orders"), topic_);
}

}  // namespace
}  // namespace millrace::sns
