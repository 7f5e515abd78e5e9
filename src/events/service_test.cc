#include "events/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "events/errors.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::events {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kQueue = "arn:aws:sqs:us-east-1:000000000000:q";

// Counts a message when its batch has been committed.
class Inbox final : public delivery::Target {
 public:
  Result<void> check(std::string_view) override { return {}; }
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch& batch) override {
    if (arn.ends_with(":gone")) return Error(delivery::kNoSuchTarget, "gone");
    batch.put(storage::Family::kText, "inbox/" + std::to_string(++number_), message.body);
    return delivery::AfterCommit([this, message] { messages.push_back(message); });
  }
  std::vector<delivery::Message> messages;

 private:
  int number_ = 0;
};

class EventsTest : public ::testing::Test {
 protected:
  EventsTest() {
    delivery_.add("sqs", inbox_);
    restart();
  }
  void restart() {
    events_ = std::make_unique<Events>(Events::Resources{store_, commits_, scheduler_, random_, delivery_});
    ASSERT_TRUE(events_->load().ok());
    events_->start();
  }
  void put(const std::string& schedule, const std::string& pattern = "", const std::string& input = "") {
    Rule rule;
    rule.name = "r";
    rule.schedule_text = schedule;
    rule.pattern_text = pattern;
    const auto made = events_->put(rule);
    ASSERT_TRUE(made.ok()) << made.error().message();
    codec::Json target = codec::Json::object({{"Id", "t"}, {"Arn", kQueue}});
    if (!input.empty()) target.set("Input", input);
    ASSERT_TRUE(events_->put_targets({}, "r", {*target_of(target)}).ok());
  }
  std::vector<std::string> bodies() const {
    std::vector<std::string> out;
    for (const auto& message : inbox_.messages) out.push_back(message.body);
    return out;
  }

  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  delivery::Delivery delivery_;
  Inbox inbox_;
  std::unique_ptr<Events> events_;
};

TEST_F(EventsTest, AScheduleFiresAtItsTimesAndNotBefore) {
  put("rate(5 minutes)", "", "{}");
  scheduler_.advance(std::chrono::seconds(299));
  EXPECT_THAT(bodies(), IsEmpty());
  scheduler_.advance(std::chrono::seconds(1));
  EXPECT_THAT(bodies(), ElementsAre("{}"));
  scheduler_.advance(std::chrono::minutes(15));
  EXPECT_THAT(bodies(), SizeIs(4));
}

TEST_F(EventsTest, AScheduledEventSaysWhenItWasDue) {
  put("rate(1 hour)");
  const Time due = scheduler_.now() + std::chrono::hours(1);
  scheduler_.advance(std::chrono::hours(1));
  ASSERT_THAT(bodies(), SizeIs(1));
  const auto event = codec::parse_json(bodies().front());
  EXPECT_EQ(event->string_or("time", ""), format_iso_s(due));
  EXPECT_EQ(event->string_or("detail-type", ""), "Scheduled Event");
  EXPECT_EQ(event->find("resources")->as_array().front().as_string(), "arn:aws:events:us-east-1:000000000000:rule/r");
}

TEST_F(EventsTest, ARestartKeepsTheScheduleAndFiresNothingTwice) {
  put("rate(5 minutes)");
  scheduler_.advance(std::chrono::minutes(5));
  restart();
  scheduler_.advance(std::chrono::minutes(4));
  EXPECT_THAT(bodies(), SizeIs(1));
  scheduler_.advance(std::chrono::minutes(1));
  EXPECT_THAT(bodies(), SizeIs(2));
}

TEST_F(EventsTest, WhatWasDueAMomentAgoIsMadeUpForAndOlderOccurrencesAreSkipped) {
  put("rate(10 minutes)");
  events_.reset();
  scheduler_.advance(std::chrono::minutes(10) + std::chrono::seconds(30));
  restart();
  scheduler_.advance(std::chrono::seconds(0));
  EXPECT_THAT(bodies(), SizeIs(1));
  events_.reset();
  scheduler_.advance(std::chrono::minutes(35));  // 45:30
  restart();
  scheduler_.advance(std::chrono::minutes(4));
  EXPECT_THAT(bodies(), SizeIs(1));
  scheduler_.advance(std::chrono::seconds(30));
  EXPECT_THAT(bodies(), SizeIs(2));
}

TEST_F(EventsTest, ADisabledRuleRestsAndCountsAnewWhenEnabled) {
  put("rate(5 minutes)");
  ASSERT_TRUE(events_->set_enabled({}, "r", false).ok());
  scheduler_.advance(std::chrono::minutes(7));
  ASSERT_TRUE(events_->set_enabled({}, "r", true).ok());
  scheduler_.advance(std::chrono::minutes(4));
  EXPECT_THAT(bodies(), IsEmpty());
  scheduler_.advance(std::chrono::minutes(1));
  EXPECT_THAT(bodies(), SizeIs(1));
  EXPECT_EQ(events_->set_enabled({}, "none", true).error().type().name, std::string_view("ResourceNotFoundException"));
}

TEST_F(EventsTest, AnotherScheduleTakesThePlaceOfTheOldOne) {
  put("rate(5 minutes)");
  put("rate(1 hour)");
  scheduler_.advance(std::chrono::minutes(59));
  EXPECT_THAT(bodies(), IsEmpty());
  scheduler_.advance(std::chrono::minutes(1));
  EXPECT_THAT(bodies(), SizeIs(1));
}

TEST_F(EventsTest, APatternSendsWhatMatches) {
  put("", R"({"source":["shop"],"detail":{"state":["sold"]}})");
  const auto event = [](std::string_view state) {
    return *codec::parse_json(R"({"source":"shop","detail":{"state":")" + std::string(state) + "\"}}");
  };
  events_->publish({}, {event("sold"), event("kept"), event("sold")});
  events_->publish({"111111111111", "us-east-1"}, {event("sold")});
  scheduler_.advance(std::chrono::seconds(0));
  EXPECT_THAT(bodies(), ElementsAre(event("sold").dump(), event("sold").dump()));
}

TEST_F(EventsTest, WhatCannotBeDeliveredGoesToTheDeadLetterQueue) {
  put("rate(1 minute)", "", "{}");
  const auto target = target_of(*codec::parse_json(
      R"({"Id":"t","Arn":"arn:aws:sqs:us-east-1:000000000000:gone","Input":"{}","DeadLetterConfig":{"Arn":"arn:aws:sqs:us-east-1:000000000000:q"}})"));
  ASSERT_TRUE(events_->put_targets({}, "r", {*target}).ok());
  scheduler_.advance(std::chrono::minutes(1));
  ASSERT_THAT(inbox_.messages, SizeIs(1));
  EXPECT_EQ(inbox_.messages[0].attributes[2].value, "NO_RESOURCE");
}

TEST_F(EventsTest, RulesHaveLimitsAndGoOnlyWithoutTargets) {
  put("rate(1 minute)");
  EXPECT_EQ(events_->remove({}, "r").error().message(), "Rule can't be deleted since it has targets.");
  std::vector<Target> many;
  for (int i = 0; i < 6; ++i) {
    many.push_back(*target_of(codec::Json::object({{"Id", std::to_string(i)}, {"Arn", kQueue}})));
  }
  EXPECT_TRUE(events_->put_targets({}, "r", many).error().is(kLimitExceeded));
  EXPECT_THAT(*events_->remove_targets({}, "r", {"t", "none"}), ElementsAre("none"));
  EXPECT_TRUE(events_->remove({}, "r").ok());
  EXPECT_TRUE(events_->remove({}, "r").ok());
  EXPECT_FALSE(events_->put(Rule{.name = "nothing"}).ok());
  EXPECT_FALSE(events_->put(Rule{.name = "wrong", .pattern_text = "{"}).ok());
  EXPECT_FALSE(target_of(*codec::parse_json(R"({"Id":"t","Arn":"a","EcsParameters":{}})")).ok());
}

// --- while writes are refused ---

TEST_F(EventsTest, ASchedulePausesOnAFullDiskAndGoesOnWithoutWhatIsLongPast) {
  put("rate(5 minutes)", "", "{}");
  scheduler_.run_ready();
  store_.set_room(storage::Room::Level::kReserve);
  const auto last = events_->last_commit();
  scheduler_.advance(std::chrono::hours(24));
  EXPECT_THAT(bodies(), IsEmpty());
  EXPECT_EQ(events_->last_commit(), last);
  store_.set_room(storage::Room::Level::kPlenty);
  commits_.tell_accepting();
  scheduler_.run_ready();
  const auto caught_up = bodies().size();
  EXPECT_LT(caught_up, 24U * 12);
  scheduler_.advance(std::chrono::minutes(5));
  EXPECT_EQ(bodies().size(), caught_up + 1);
}

TEST_F(EventsTest, AfterAFailedWriteRulesAreThoseThatAreStoredAndNoneFires) {
  put("rate(5 minutes)", "", "{}");
  scheduler_.run_ready();
  store_.fail_write_after(0);
  ASSERT_TRUE(events_->set_enabled({}, "r", false).ok());
  scheduler_.run_ready();
  EXPECT_TRUE(events_->find({}, "r")->enabled);
  scheduler_.advance(std::chrono::hours(1));
  EXPECT_THAT(bodies(), IsEmpty());
  EXPECT_TRUE(commits_.is_settled(events_->last_commit(), commits_.settlements()));
}

}  // namespace
}  // namespace millrace::events
