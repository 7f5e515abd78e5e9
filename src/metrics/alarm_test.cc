#include "metrics/alarm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "metrics/alarms.h"
#include "metrics/errors.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::metrics {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "0 - X - X", oldest first: values below and above the threshold, and periods without data.
std::vector<Datapoint> points_of(const std::string& text) {
  std::vector<Datapoint> out;
  for (const char c : text) {
    if (c == ' ') continue;
    Datapoint point;
    point.at = testing::kVirtualStart + std::chrono::minutes(static_cast<int>(out.size()));
    if (c != '-') point.value = c == 'X' ? 10 : 0;
    out.push_back(point);
  }
  std::ranges::reverse(out);
  return out;
}

std::string verdict(int datapoints, int periods, Missing missing, const std::string& text) {
  const AlarmRule rule{periods, datapoints, 5, Comparison::kGreater, missing};
  const auto result = judge(rule, points_of(text));
  return result ? std::string(state_name(result->state)) : "stays";
}

struct Row {
  const char* points;
  const char* missing;
  const char* ignore;
  const char* breaching;
  const char* not_breaching;
};

void expect_rows(int datapoints, int periods, std::initializer_list<Row> rows) {
  for (const auto& row : rows) {
    EXPECT_EQ(verdict(datapoints, periods, Missing::kMissing, row.points), row.missing) << row.points;
    EXPECT_EQ(verdict(datapoints, periods, Missing::kIgnore, row.points), row.ignore) << row.points;
    EXPECT_EQ(verdict(datapoints, periods, Missing::kBreaching, row.points), row.breaching) << row.points;
    EXPECT_EQ(verdict(datapoints, periods, Missing::kNotBreaching, row.points), row.not_breaching) << row.points;
  }
}

// The two tables of AWS's page on missing data.
TEST(JudgeTest, ThreeOutOfThree) {
  expect_rows(3, 3,
              {{"0 - X - X", "OK", "OK", "OK", "OK"},
               {"0 - - - -", "OK", "OK", "OK", "OK"},
               {"- - - - -", "INSUFFICIENT_DATA", "stays", "ALARM", "OK"},
               {"0 X X - X", "ALARM", "ALARM", "ALARM", "ALARM"},
               {"- - X - -", "ALARM", "stays", "ALARM", "OK"}});
}

TEST(JudgeTest, TwoOutOfThree) {
  expect_rows(2, 3,
              {{"0 - X - X", "ALARM", "ALARM", "ALARM", "ALARM"},
               {"0 0 X 0 X", "ALARM", "ALARM", "ALARM", "ALARM"},
               {"0 - X - -", "OK", "OK", "ALARM", "OK"},
               {"- - - - 0", "OK", "OK", "ALARM", "OK"},
               {"- - - X -", "ALARM", "stays", "ALARM", "OK"}});
}

TEST(JudgeTest, OneOutOfOneAndOtherCases) {
  expect_rows(1, 1,
              {{"- - X", "ALARM", "ALARM", "ALARM", "ALARM"},
               {"X X 0", "OK", "OK", "OK", "OK"},
               {"- X -", "ALARM", "ALARM", "ALARM", "ALARM"},
               {"- - -", "INSUFFICIENT_DATA", "stays", "ALARM", "OK"}});
  // A young breaching value alone is no alarm of three yet.
  EXPECT_EQ(verdict(3, 3, Missing::kMissing, "- - - - X"), "stays");
  EXPECT_EQ(verdict(3, 3, Missing::kMissing, "- - - X X"), "stays");
  EXPECT_EQ(verdict(3, 3, Missing::kMissing, "- - X X X"), "ALARM");
}

TEST(JudgeTest, EachComparisonIsItsOwn) {
  const std::pair<Comparison, std::array<bool, 3>> kTable[] = {{Comparison::kGreaterOrEqual, {false, true, true}},
                                                               {Comparison::kGreater, {false, false, true}},
                                                               {Comparison::kLess, {true, false, false}},
                                                               {Comparison::kLessOrEqual, {true, true, false}}};
  for (const auto& [comparison, expected] : kTable) {
    const AlarmRule rule{1, 1, 5, comparison, Missing::kMissing};
    for (int i = 0; i < 3; ++i) EXPECT_EQ(rule.breaches(4 + i), expected.at(static_cast<std::size_t>(i)));
  }
}

TEST(JudgeTest, TheReasonIsWordedAsOnAws) {
  const auto reason = [](int datapoints, int periods, Missing missing, const char* text) {
    return judge({periods, datapoints, 5, Comparison::kGreater, missing}, points_of(text))->reason;
  };
  EXPECT_EQ(
      reason(1, 1, Missing::kMissing, "- - X"),
      "Threshold Crossed: 1 out of the last 1 datapoint [10.0 (01/01/26 00:02:00)] was greater than the threshold "
      "(5.0) (minimum 1 datapoint for OK -> ALARM transition).");
  EXPECT_EQ(
      reason(2, 3, Missing::kMissing, "0 0 X 0 X"),
      "Threshold Crossed: 2 out of the last 3 datapoints [10.0 (01/01/26 00:04:00), 10.0 (01/01/26 00:02:00)] were "
      "greater than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition).");
  EXPECT_EQ(reason(1, 1, Missing::kMissing, "X X 0"),
            "Threshold Crossed: 1 out of the last 1 datapoint [0.0 (01/01/26 00:02:00)] was not greater than the "
            "threshold (5.0) (minimum 1 datapoint for ALARM -> OK transition).");
  EXPECT_EQ(reason(1, 1, Missing::kNotBreaching, "- - -"),
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as "
            "[NonBreaching].");
  EXPECT_EQ(reason(3, 3, Missing::kMissing, "- - - - -"), "Insufficient Data: 3 datapoints were unknown.");
}

// --- the service ---

class Recorder final : public delivery::Target {
 public:
  Result<void> check(std::string_view) override { return {}; }
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch&) override {
    if (arn.ends_with("gone")) return Error(delivery::kNoSuchTarget, "Topic does not exist");
    messages.push_back(message);
    return delivery::AfterCommit([this] { ++committed; });
  }
  std::vector<delivery::Message> messages;
  int committed = 0;
};

class AlarmsTest : public ::testing::Test {
 protected:
  AlarmsTest() {
    delivery_.add("sns", topics_);
    delivery_.add("lambda", functions_);
    restart();
  }
  static Result<std::vector<Query>> read_queries(const Scope&, const codec::Json& definition) {
    Query query;
    query.id = "m1";
    query.metric = MetricId{{}, "App", std::string(definition.string_or("MetricName", "")), {}};
    query.statistic = "Sum";
    query.period = Seconds(definition.int_or("Period", 60));
    return std::vector<Query>{query};
  }
  void restart() {
    alarms_.reset();
    alarms_ = std::make_unique<Alarms>(Alarms::Resources{store_, commits_, scheduler_, delivery_, metrics_});
    ASSERT_TRUE(alarms_->load(read_queries).ok());
    alarms_->start();
  }
  Result<void> put(codec::Json definition) {
    Alarm alarm;
    alarm.name = "a";
    definition.set("AlarmName", "a");
    alarm.definition = std::move(definition);
    auto queries = read_queries({}, alarm.definition);
    MR_RETURN_IF_ERROR(derive(alarm, std::move(queries).value()));
    return alarms_->put(std::move(alarm));
  }
  static codec::Json errors(const char* missing = "notBreaching") {
    return codec::Json::object(
        {{"MetricName", "Errors"},
         {"Namespace", "App"},
         {"Statistic", "Sum"},
         {"Period", 60},
         {"EvaluationPeriods", 1},
         {"Threshold", 1.0},
         {"ComparisonOperator", "GreaterThanOrEqualToThreshold"},
         {"TreatMissingData", missing},
         {"AlarmActions", codec::Json::array({"arn:aws:sns:us-east-1:000000000000:t"})},
         {"OKActions", codec::Json::array({"arn:aws:lambda:us-east-1:000000000000:function:f"})}});
  }
  void fail(double count = 1) { metrics_.series({{}, "App", "Errors", {}}, "Count")->record(count); }
  std::string state() { return std::string(state_name(alarms_->find({}, "a")->state)); }

  testing::VirtualScheduler scheduler_;
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  Store metrics_{store_, commits_, scheduler_};
  delivery::Delivery delivery_;
  Recorder topics_;
  Recorder functions_;
  std::unique_ptr<Alarms> alarms_;
};

TEST_F(AlarmsTest, AnErrorIsAnAlarmInAMinuteAndOverAfterSomeMore) {
  ASSERT_TRUE(put(errors()).ok());
  EXPECT_EQ(state(), "INSUFFICIENT_DATA");
  scheduler_.advance(std::chrono::minutes(2));
  EXPECT_EQ(state(), "OK");
  fail();
  scheduler_.advance(std::chrono::minutes(1));
  EXPECT_EQ(state(), "ALARM");
  ASSERT_EQ(topics_.messages.size(), 1u);
  EXPECT_EQ(topics_.committed, 1);
  EXPECT_EQ(topics_.messages[0].subject, "ALARM: \"a\" in US East (N. Virginia)");
  const auto message = codec::parse_json(topics_.messages[0].body).value();
  EXPECT_EQ(message.string_or("NewStateValue", ""), "ALARM");
  EXPECT_EQ(message.string_or("OldStateValue", ""), "OK");
  EXPECT_EQ(message.find("Trigger")->string_or("Statistic", ""), "SUM");
  scheduler_.advance(std::chrono::minutes(10));
  EXPECT_EQ(state(), "OK");
  ASSERT_EQ(functions_.messages.size(), 2u);  // INSUFFICIENT_DATA to OK, ALARM to OK
  const auto event = codec::parse_json(functions_.messages[1].body).value();
  EXPECT_EQ(event.find("alarmData")->find("previousState")->string_or("value", ""), "ALARM");
  std::vector<std::string> summaries;
  for (const auto& entry : alarms_->history({}, "a")) summaries.push_back(entry.summary);
  EXPECT_THAT(summaries, ElementsAre("Alarm \"a\" created", HasSubstr("from INSUFFICIENT_DATA to OK"),
                                     HasSubstr("Successfully executed"), HasSubstr("from OK to ALARM"),
                                     HasSubstr("Successfully executed"), HasSubstr("from ALARM to OK"),
                                     HasSubstr("Successfully executed")));
}

TEST_F(AlarmsTest, WhatCanChangeNoMoreIsNotEvaluated) {
  ASSERT_TRUE(put(errors("ignore")).ok());
  fail();
  scheduler_.advance(std::chrono::minutes(30));
  EXPECT_EQ(state(), "ALARM");
  EXPECT_GT(scheduler_.next_timer(), scheduler_.now() + std::chrono::days(1));
}

TEST_F(AlarmsTest, ANumberOfAHistoryIsNeverGivenAgain) {
  ASSERT_TRUE(put(errors()).ok());
  scheduler_.run_ready();
  const std::uint64_t before = alarms_->history({}, "a").back().number;
  alarms_->reset(Scope{}.account);
  scheduler_.run_ready();
  scheduler_.set_machine_offset(-std::chrono::hours(24 * 365));
  restart();
  ASSERT_TRUE(put(errors()).ok());
  scheduler_.run_ready();
  EXPECT_GT(alarms_->history({}, "a").front().number, before);
}

TEST_F(AlarmsTest, ARestartKeepsStateAndHistoryAndGoesOn) {
  ASSERT_TRUE(put(errors()).ok());
  fail();
  scheduler_.advance(std::chrono::minutes(1));
  metrics_.flush();
  scheduler_.run_ready();
  const auto before = alarms_->history({}, "a").size();
  restart();
  EXPECT_EQ(state(), "ALARM");
  EXPECT_EQ(alarms_->history({}, "a").size(), before);
  scheduler_.advance(std::chrono::minutes(10));
  EXPECT_EQ(state(), "OK");
}

TEST_F(AlarmsTest, AnActionThatFailsIsInTheHistoryAndTheStateChangesAllTheSame) {
  auto definition = errors();
  definition.set("AlarmActions", codec::Json::array({"arn:aws:sns:us-east-1:000000000000:gone"}));
  ASSERT_TRUE(put(definition).ok());
  fail();
  scheduler_.advance(std::chrono::minutes(1));
  EXPECT_EQ(state(), "ALARM");
  EXPECT_THAT(alarms_->history({}, "a").back().summary, HasSubstr("Failed to execute action"));
}

TEST_F(AlarmsTest, DisabledActionsAreNotTakenAndASetStateIsCorrectedByTheNextEvaluation) {
  ASSERT_TRUE(put(errors()).ok());
  alarms_->enable_actions({}, {"a", "unknown"}, false);
  ASSERT_TRUE(alarms_->set_state({}, "a", AlarmState::kAlarm, "test", "").ok());
  EXPECT_TRUE(topics_.messages.empty());
  EXPECT_EQ(state(), "ALARM");
  scheduler_.advance(std::chrono::minutes(1));
  EXPECT_EQ(state(), "OK");
  EXPECT_FALSE(alarms_->set_state({}, "unknown", AlarmState::kAlarm, "test", "").ok());
}

TEST_F(AlarmsTest, AnUpdateKeepsTheStateAndARemovedAlarmIsSilent) {
  ASSERT_TRUE(put(errors()).ok());
  fail();
  scheduler_.advance(std::chrono::minutes(1));
  auto definition = errors();
  definition.set("Threshold", 100.0);
  ASSERT_TRUE(put(definition).ok());
  EXPECT_EQ(state(), "ALARM");
  scheduler_.advance(std::chrono::minutes(1));
  EXPECT_EQ(state(), "OK");
  alarms_->remove({}, {"a", "unknown"});
  fail(1000);
  scheduler_.advance(std::chrono::minutes(2));
  EXPECT_EQ(topics_.messages.size(), 1u);
  EXPECT_FALSE(alarms_->find({}, "a"));
}

TEST_F(AlarmsTest, BadDefinitionsAreRefused) {
  const auto with = [](std::string_view name, codec::Json value) {
    auto definition = errors();
    definition.set(name, std::move(value));
    return definition;
  };
  EXPECT_FALSE(put(with("Period", 5)).ok());
  EXPECT_FALSE(put(with("Period", 90)).ok());
  EXPECT_FALSE(put(with("EvaluationPeriods", 2000)).ok());
  EXPECT_FALSE(put(with("DatapointsToAlarm", 2)).ok());
  EXPECT_FALSE(put(with("ComparisonOperator", "LessThanLowerThreshold")).ok());
  EXPECT_FALSE(put(with("TreatMissingData", "bad")).ok());
  EXPECT_TRUE(put(with("Period", 300)).ok());
}

// --- while writes are refused ---

TEST_F(AlarmsTest, AnAlarmKeepsItsStateOnAFullDiskAndChangesWhenThereIsRoom) {
  ASSERT_TRUE(put(errors()).ok());
  scheduler_.advance(std::chrono::minutes(3));
  ASSERT_EQ(state(), "OK");
  store_.set_room(storage::Room::Level::kReserve);
  const auto last = alarms_->last_commit();
  fail();
  scheduler_.advance(std::chrono::minutes(2));
  EXPECT_EQ(state(), "OK");
  EXPECT_EQ(alarms_->last_commit(), last);
  store_.set_room(storage::Room::Level::kPlenty);
  fail();
  commits_.tell_accepting();
  scheduler_.advance(std::chrono::minutes(2));
  EXPECT_GE(alarms_->history({}, "a").size(), 4U) << "created, OK, and changed again since";
}

TEST_F(AlarmsTest, AfterAFailedWriteAlarmsAreThoseThatAreStoredAndNoneChanges) {
  ASSERT_TRUE(put(errors()).ok());
  scheduler_.advance(std::chrono::minutes(3));
  store_.fail_write_after(0);
  alarms_->enable_actions({}, {"a"}, false);
  scheduler_.run_ready();
  EXPECT_TRUE(alarms_->find({}, "a")->actions_enabled());
  fail();
  scheduler_.advance(std::chrono::minutes(5));
  EXPECT_EQ(state(), "OK");
  EXPECT_TRUE(commits_.is_settled(alarms_->last_commit(), commits_.settlements()));
}

}  // namespace
}  // namespace millrace::metrics
