// Whatever write or read of the store fails, in whatever operation: nothing acknowledged is lost, nothing is there by
// half (testing/fault_loop.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/sns/service.h"
#include "testing/fault_loop.h"
#include "testing/inbox.h"

namespace millrace::api_sns {
namespace {

using testing::FaultBench;
using ::testing::IsEmpty;

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  explicit World(FaultBench& bench) : FaultedFace(bench) { delivery_.add("sqs", inbox_); }
  Result<void> load() { return topics_.load(); }
  Answer call(const std::string& line) override {
    return line == "Inbox" ? testing::Inbox::shown(bench_.store) : FaultedFace::call(with_subscription(line));
  }

 private:
  const wire::Service& face() const override { return *face_; }
  // $FIRST is the name of the first subscription there is, which nobody chooses.
  std::string with_subscription(std::string line) {
    const auto at = line.find("$FIRST");
    if (at == std::string::npos) return line;
    const std::string name = "arn:aws:sns:us-east-1:000000000000:t:";
    const std::string all = FaultedFace::call("ListSubscriptions {}").text;
    const auto begin = all.find(name);
    return line.replace(at, 6, begin == std::string::npos ? name + "none" : all.substr(begin, name.size() + 36));
  }
  telemetry::Registry registry_;
  testing::Inbox inbox_;
  delivery::Delivery delivery_;
  sns::Service topics_{{bench_.store, bench_.commits, bench_.scheduler, bench_.random, registry_, delivery_}};
  std::unique_ptr<wire::Service> face_ = make_sns_service(topics_);
};

TEST(SnsFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {
      R"(CreateTopic {"Name":"t","Tags":[{"Key":"a","Value":"b"}]})",
      R"(CreateTopic {"Name":"u"})",
      R"(Subscribe {"TopicArn":"arn:aws:sns:us-east-1:000000000000:t","Protocol":"sqs","Endpoint":"arn:aws:sqs:us-east-1:000000000000:q","ReturnSubscriptionArn":true})",
      R"(Subscribe {"TopicArn":"arn:aws:sns:us-east-1:000000000000:t","Protocol":"sqs","Endpoint":"arn:aws:sqs:us-east-1:000000000000:r"})",
      R"(SetTopicAttributes {"TopicArn":"arn:aws:sns:us-east-1:000000000000:t","AttributeName":"DisplayName","AttributeValue":"d"})",
      R"(Publish {"TopicArn":"arn:aws:sns:us-east-1:000000000000:t","Message":"m"})",
      R"(TagResource {"ResourceArn":"arn:aws:sns:us-east-1:000000000000:t","Tags":[{"Key":"c","Value":"d"}]})",
      R"(UntagResource {"ResourceArn":"arn:aws:sns:us-east-1:000000000000:t","TagKeys":["a"]})",
      R"(PublishBatch {"TopicArn":"arn:aws:sns:us-east-1:000000000000:t","PublishBatchRequestEntries":[{"Id":"a","Message":"n"},{"Id":"b","Message":"o"}]})",
      R"(SetSubscriptionAttributes {"SubscriptionArn":"$FIRST","AttributeName":"RawMessageDelivery","AttributeValue":"true"})",
      R"(Publish {"TopicArn":"arn:aws:sns:us-east-1:000000000000:t","Message":"raw"})",
      R"(Unsubscribe {"SubscriptionArn":"$FIRST"})",
      R"(DeleteTopic {"TopicArn":"arn:aws:sns:us-east-1:000000000000:u"})",
      R"(CreateTopic {"Name":"last"})",
  };
  plan.looks = {
      R"(ListTopics {})",
      R"(ListSubscriptions {})",
      R"(GetSubscriptionAttributes {"SubscriptionArn":"$FIRST"})",
      R"(GetTopicAttributes {"TopicArn":"arn:aws:sns:us-east-1:000000000000:t"})",
      R"(ListTagsForResource {"ResourceArn":"arn:aws:sns:us-east-1:000000000000:t"})",
      R"(Inbox)",
  };
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::api_sns
