// Whatever write or read of the store fails, in whatever operation: nothing acknowledged is lost, nothing is there by
// half (testing/fault_loop.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/events/service.h"
#include "testing/fault_loop.h"
#include "testing/inbox.h"

namespace millrace::api_events {
namespace {

using testing::FaultBench;
using ::testing::IsEmpty;

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  explicit World(FaultBench& bench) : FaultedFace(bench) { delivery_.add("sqs", inbox_); }
  Result<void> load() {
    MR_RETURN_IF_ERROR(events_.load());
    events_.start();
    return {};
  }
  Answer call(const std::string& line) override {
    return line == "Inbox" ? testing::Inbox::shown(bench_.store) : FaultedFace::call(line);
  }

 private:
  const wire::Service& face() const override { return *face_; }
  testing::Inbox inbox_;
  delivery::Delivery delivery_;
  events::Events events_{{bench_.store, bench_.commits, bench_.scheduler, bench_.random, delivery_}};
  std::unique_ptr<wire::Service> face_ = make_events_service({events_, delivery_, bench_.scheduler, bench_.random});
};

TEST(EventsFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {
      R"(PutRule {"Name":"r","EventPattern":"{\"source\":[\"a\"]}","Tags":[{"Key":"a","Value":"b"}]})",
      R"(PutTargets {"Rule":"r","Targets":[{"Id":"1","Arn":"arn:aws:sqs:us-east-1:000000000000:q"},{"Id":"2","Arn":"arn:aws:sqs:us-east-1:000000000000:s"}]})",
      R"json(PutRule {"Name":"s","ScheduleExpression":"rate(5 minutes)"})json",
      R"(PutEvents {"Entries":[{"Source":"a","DetailType":"t","Detail":"{}"},{"Source":"b","DetailType":"t","Detail":"{}"}]})",
      R"(TagResource {"ResourceARN":"arn:aws:events:us-east-1:000000000000:rule/r","Tags":[{"Key":"c","Value":"d"}]})",
      R"(UntagResource {"ResourceARN":"arn:aws:events:us-east-1:000000000000:rule/r","TagKeys":["a"]})",
      R"(RemoveTargets {"Rule":"r","Ids":["1"]})",
      R"(DisableRule {"Name":"r"})",
      R"(EnableRule {"Name":"r"})",
      R"(DeleteRule {"Name":"s"})",
  };
  plan.looks = {
      R"(ListRules {})",
      R"(ListTargetsByRule {"Rule":"r"})",
      R"(ListTagsForResource {"ResourceARN":"arn:aws:events:us-east-1:000000000000:rule/r"})",
      R"(Inbox)",
  };
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::api_events
