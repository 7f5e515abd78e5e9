// Whatever write or read of the store fails, in whatever operation on queues: nothing acknowledged is lost, nothing is
// there by half (testing/fault_loop.h). What becomes of messages that are received: sqs/faults_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/sqs/service.h"
#include "testing/fault_loop.h"

namespace millrace::api_sqs {
namespace {

using ::testing::IsEmpty;

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  using FaultedFace::FaultedFace;
  Result<void> load() { return queues_.load(); }
  Answer call(const std::string& line) override {
    if (line != "Messages") return FaultedFace::call(line);
    const auto peeked = queues_.peek({Scope{}, "q"}, 100);
    if (!peeked.ok()) return {.text = peeked.error().message(), .after = peeked.error().held_until()};
    Answer answer{.ok = true, .after = queues_.last_commit()};
    for (const auto& each : *peeked) answer.text += each.message.body + " ";
    return answer;
  }

 private:
  const wire::Service& face() const override { return *face_; }
  sqs::Service queues_{bench_.store, bench_.commits, bench_.scheduler, bench_.random};
  std::unique_ptr<wire::Service> face_ = make_sqs_service(queues_);
};

TEST(SqsFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  const std::string queue = R"({"QueueUrl":"http://127.0.0.1:4566/000000000000/q")";
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {
      R"(CreateQueue {"QueueName":"q","tags":{"a":"b"}})",
      R"(CreateQueue {"QueueName":"r"})",
      "SetQueueAttributes " + queue + R"(,"Attributes":{"VisibilityTimeout":"7"}})",
      "TagQueue " + queue + R"(,"Tags":{"c":"d"}})",
      "UntagQueue " + queue + R"(,"TagKeys":["a"]})",
      "SendMessage " + queue + R"(,"MessageBody":"one"})",
      "SendMessageBatch " + queue + R"(,"Entries":[{"Id":"a","MessageBody":"two"},{"Id":"b","MessageBody":"three"}]})",
      R"(DeleteQueue {"QueueUrl":"http://127.0.0.1:4566/000000000000/r"})",
      "PurgeQueue " + queue + "}",
      "SendMessage " + queue + R"(,"MessageBody":"last"})",
  };
  plan.looks = {"ListQueues {}", "GetQueueAttributes " + queue + R"(,"AttributeNames":["VisibilityTimeout"]})",
                "ListQueueTags " + queue + "}", "Messages"};
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::api_sqs
