// Recorded sequences as one line each, and random histories checked against the invariants of delivery.
#include "triggers/lane.h"

#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "triggers/decisions.h"

namespace millrace::triggers {
namespace {

constexpr Time kStart = from_unix_ms(1'789'651'658'000);
using Ids = std::vector<SequenceNumber>;

Record record(SequenceNumber id, Time created = kStart, std::size_t bytes = 10) {
  return {.sequence = id, .created = created, .event = std::string(bytes, 'x')};
}

// Runs one lane over records 1..n under virtual time and writes down what happens:
//   [12] an invocation with records 1 and 2; D2r3 a discard of record 2, retries exhausted, count 3 (a: too old);
//   |4 the settled position at the end.
class Scenario {
 public:
  using Function = std::function<std::size_t(const Ids&)>;  // leading records done

  Scenario(Settings settings, int count, Function function) : settings_(settings), function_(std::move(function)) {
    for (int i = 1; i <= count; ++i) log_.push_back(record(static_cast<SequenceNumber>(i), created_));
  }

  std::string run(Time until = kStart + std::chrono::hours(24)) {
    until_ = until;
    apply(step(settings_, lane_, Woken{}, now_));
    return trace_ + "|" + std::to_string(lane_.settled);
  }

  Settings settings_;
  Lane lane_;
  Time now_ = kStart;
  Time created_ = kStart;
  std::vector<Record> log_;
  std::vector<Milliseconds> at_;   // when each invocation happened
  std::vector<Outcome> refusals_;  // used up first

 private:
  void apply(Effects effects) {
    while (true) {
      if (effects.read.records_max > 0) {
        effects = step_twice(effects, read(effects.read));
        continue;
      }
      if (const auto* wait = std::get_if<Wait>(&effects.next)) {
        if (wait->until == kNever || wait->until > until_) return;
        now_ = std::max(now_, wait->until);
        effects = step(settings_, lane_, Woken{}, now_);
      } else if (const auto* discard = std::get_if<Discard>(&effects.next)) {
        effects = step(settings_, lane_, discarded(*discard), now_);
      } else {
        effects = step(settings_, lane_, invoked(), now_);
      }
    }
  }

  // Answers the read, and keeps what the lane already wants to do.
  Effects step_twice(const Effects& before, Arrived arrived) {
    Effects after = step(settings_, lane_, std::move(arrived), now_);
    if (!std::holds_alternative<Wait>(before.next)) after.next = before.next;
    return after;
  }

  Arrived read(ReadMore wanted) {
    Arrived out{.read_to = lane_.read_to};
    std::size_t bytes = 0;
    for (const Record& next : log_) {
      if (next.sequence <= lane_.read_to || out.records.size() == wanted.records_max) continue;
      if (!out.records.empty() && bytes + next.event.size() > wanted.bytes_max) break;
      bytes += next.event.size();
      out.records.push_back(next);
      out.read_to = next.sequence;
    }
    out.at_tail = log_.empty() || out.read_to == log_.back().sequence;
    return out;
  }

  static std::string name(const Ids& ids) {
    std::string text;
    for (const SequenceNumber id : ids) text += std::to_string(id);
    return text;
  }

  Ids in_hand() const {
    Ids ids;
    for (const Record& each : lane_.stack.back().records) ids.push_back(each.sequence);
    return ids;
  }

  Returned invoked() {
    at_.push_back(now_ - kStart);
    if (!refusals_.empty()) {
      const Outcome outcome = refusals_.back();
      refusals_.pop_back();
      trace_ += "!";
      return {outcome, 0};
    }
    trace_ += "[" + name(in_hand()) + "]";
    return {Outcome::kAnswered, function_(in_hand())};
  }

  Discarded discarded(const Discard& discard) {
    trace_ += "D" + name(in_hand()) + (discard.reason == Reason::kRecordAgeExceeded ? "a" : "r") +
              std::to_string(lane_.stack.back().tries.invocations);
    return {};
  }

  Function function_;
  Time until_{};
  std::string trace_;
};

std::size_t succeed(const Ids& ids) { return ids.size(); }
std::size_t fail(const Ids&) { return 0; }
// The whole batch fails when it holds `poison`.
Scenario::Function throws_on(SequenceNumber poison) {
  return [=](const Ids& ids) { return std::count(ids.begin(), ids.end(), poison) > 0 ? 0 : ids.size(); };
}
// Reports `poison` as the lowest failure.
Scenario::Function reports(SequenceNumber poison) {
  return
      [=](const Ids& ids) { return static_cast<std::size_t>(std::find(ids.begin(), ids.end(), poison) - ids.begin()); };
}

Settings options(std::size_t batch_size, int retries_max = -1) {
  Settings settings;
  settings.batch_size = batch_size;
  settings.retries_max = retries_max;
  return settings;
}
Settings bisecting(std::size_t batch_size, int retries_max) {
  Settings settings = options(batch_size, retries_max);
  settings.bisect = true;
  return settings;
}

TEST(Lane, DeliversInBatchesOfTheConfiguredSize) {
  EXPECT_EQ(Scenario(options(2), 5, succeed).run(), "[12][34][5]|5");
  EXPECT_EQ(Scenario(options(100), 5, succeed).run(), "[12345]|5");
  EXPECT_EQ(Scenario(options(1), 3, succeed).run(), "[1][2][3]|3");
}

TEST(Lane, FullBatchesDoNotWaitForTheWindow) {
  Settings settings = options(2);
  settings.window = Seconds(5);
  Scenario scenario(settings, 5, succeed);
  EXPECT_EQ(scenario.run(), "[12][34][5]|5");
  EXPECT_THAT(scenario.at_, testing::ElementsAre(Milliseconds(0), Milliseconds(0), Seconds(5)));
}

TEST(Lane, TheNextWindowStartsWhenTheInvocationIsDone) {
  Settings settings = options(2);
  settings.window = Seconds(5);
  Lane lane;
  step(settings, lane, Woken{}, kStart);
  step(settings, lane, Arrived{.records = {record(1), record(2)}, .read_to = 2}, kStart);
  step(settings, lane, Arrived{.records = {record(3)}, .read_to = 3, .at_tail = true}, kStart);
  const Effects done = step(settings, lane, Returned{Outcome::kAnswered, 2}, kStart + Seconds(3));
  ASSERT_TRUE(std::holds_alternative<Wait>(done.next));
  EXPECT_EQ(std::get<Wait>(done.next).until, kStart + Seconds(8));
}

TEST(Lane, AWindowOpensWithItsFirstRecord) {
  Settings settings = options(10);
  settings.window = Seconds(5);
  Lane lane;
  step(settings, lane, Woken{}, kStart);
  step(settings, lane, Arrived{.records = {record(1)}, .read_to = 1, .at_tail = true}, kStart + Seconds(7));
  step(settings, lane, Grew{}, kStart + Seconds(9));
  const Effects later =
      step(settings, lane, Arrived{.records = {record(2)}, .read_to = 2, .at_tail = true}, kStart + Seconds(9));
  ASSERT_TRUE(std::holds_alternative<Wait>(later.next));
  EXPECT_EQ(std::get<Wait>(later.next).until, kStart + Seconds(12));
}

TEST(Lane, ClosesABatchBeforeThePayloadPassesItsLimit) {
  Settings settings = options(100);
  settings.payload_bytes_max = kEnvelopeBytes + 3 * 11;  // three records of 10 bytes and their commas
  EXPECT_EQ(Scenario(settings, 7, succeed).run(), "[123][456][7]|7");
  settings.payload_bytes_max = 5;  // no record fits: each goes alone
  EXPECT_EQ(Scenario(settings, 2, succeed).run(), "[1][2]|2");
}

TEST(Lane, RetriesAllowOneInvocationMore) {
  EXPECT_EQ(Scenario(options(2, 0), 3, fail).run(), "[12]D12r1[3]D3r1|3");
  EXPECT_EQ(Scenario(options(1, 1), 1, fail).run(), "[1][1]D1r2|1");
  EXPECT_EQ(Scenario(options(1, 3), 1, fail).run(), "[1][1][1][1]D1r4|1");
}

TEST(Lane, ProgressGivesTheRestAFreshAllowance) {
  EXPECT_EQ(Scenario(options(4, 1), 4, reports(2)).run(), "[1234][234][234]D234r2|4");
  EXPECT_EQ(Scenario(options(3, 3), 3, reports(3)).run(), "[123][3][3][3][3]D3r4|3");
}

TEST(Lane, BisectSplitsBeforeItRetries) {
  EXPECT_EQ(Scenario(bisecting(4, 1), 4, throws_on(2)).run(), "[1234][12][1][2][2]D2r2[34]|4");
  EXPECT_EQ(Scenario(bisecting(5, 0), 5, throws_on(5)).run(), "[12345][12][345][3][45][4][5]D5r1|5");
}

TEST(Lane, BisectCutsTheRestThatFailsAtItsHead) {
  EXPECT_EQ(Scenario(bisecting(4, 1), 4, reports(2)).run(), "[1234][234][2][2]D2r2[34]|4");
}

TEST(Lane, TooOldRecordsAreTakenOutWithoutAnInvocation) {
  Settings settings = options(10);
  settings.age_max = Seconds(60);
  Scenario scenario(settings, 2, succeed);
  scenario.now_ = kStart + Seconds(70);
  scenario.log_.push_back(record(3, kStart + Seconds(65)));
  EXPECT_EQ(scenario.run(), "D12a0[3]|3");
}

TEST(Lane, RecordsExpireDuringRetriesAndTheYoungerAreStillDelivered) {
  Settings settings = options(10);
  settings.age_max = Seconds(60);
  Scenario scenario(settings, 1, throws_on(1));
  scenario.log_.push_back(record(2, kStart + Seconds(1000)));
  const std::string trace = scenario.run();
  EXPECT_THAT(trace, testing::MatchesRegex("(\\[12\\])+D1a[89]\\[2\\]\\|2")) << trace;
}

TEST(Lane, TheSequencesRecordedOnAws) {
  struct Recorded {
    const char* what;
    Settings settings;
    int records;
    Scenario::Function function;
    const char* trace;
  };
  const std::vector<Recorded> table = {
      {"2.1 a full batch never waits", options(2), 5, succeed, "[12][34][5]|5"},
      {"2.4 no retry", options(4, 0), 4, fail, "[1234]D1234r1|4"},
      {"2.4 one retry", options(4, 1), 4, fail, "[1234][1234]D1234r2|4"},
      {"2.4 two retries", options(1, 2), 1, fail, "[1][1][1]D1r3|1"},
      {"2.4 three retries", options(1, 3), 1, fail, "[1][1][1][1]D1r4|1"},
      {"2.4 the next batch has a fresh allowance", options(1, 1), 2, fail, "[1][1]D1r2[2][2]D2r2|2"},
      {"2.5 the rest has a fresh allowance", options(4, 1), 4, reports(2), "[1234][234][234]D234r2|4"},
      {"2.5 a singleton at the end", options(3, 3), 3, reports(3), "[123][3][3][3][3]D3r4|3"},
      {"2.5 the first of the batch is no progress", options(3, 1), 3, reports(1), "[123][123]D123r2|3"},
      {"2.5 an empty list is a success", options(3, 1), 3, reports(9), "[123]|3"},
      {"2.6 halves, without a retry of the whole", bisecting(4, 1), 4, throws_on(2), "[1234][12][1][2][2]D2r2[34]|4"},
      {"2.6 the cut is at the reported number", bisecting(4, 1), 4, reports(2), "[1234][234][2][2]D2r2[34]|4"},
  };
  for (const Recorded& each : table) {
    EXPECT_EQ(Scenario(each.settings, each.records, each.function).run(), each.trace) << each.what;
  }
  // 2.7: age 60 s and no limit of retries: 8 invocations on AWS, which jitter may make 7 to 9.
  Settings aging = options(1);
  aging.age_max = Seconds(60);
  const std::string trace = Scenario(aging, 1, fail).run();
  EXPECT_THAT(trace, testing::MatchesRegex("(\\[1\\])+D1a[789]\\|1")) << trace;
}

TEST(Lane, BacksOffByDoublingBetweenAttemptsOfTheSameBatch) {
  Scenario scenario(options(1, 3), 1, fail);
  scenario.run();
  ASSERT_EQ(scenario.at_.size(), 4u);
  Milliseconds expected = kBackoffFirst;
  for (std::size_t i = 1; i < 4; ++i, expected *= 2) {
    const Milliseconds delay = scenario.at_[i] - scenario.at_[i - 1];
    EXPECT_GE(delay, expected * 95 / 100);
    EXPECT_LE(delay, expected * 135 / 100);
  }
  EXPECT_EQ(backoff(40, 7, kBackoffMax), kBackoffMax);
}

TEST(Lane, RefusalsCostNoAttempt) {
  Scenario scenario(options(1, 0), 1, succeed);
  scenario.refusals_ = {Outcome::kThrottled, Outcome::kRefused, Outcome::kThrottled};
  EXPECT_EQ(scenario.run(), "!!![1]|1");
}

TEST(Lane, NothingStartsWhileDisabledAndThePositionStays) {
  Settings settings = options(2);
  settings.enabled = false;
  Scenario scenario(settings, 3, succeed);
  EXPECT_EQ(scenario.run(), "|0");
  scenario.settings_.enabled = true;
  EXPECT_EQ(scenario.run(), "[12][3]|3");
}

TEST(Lane, ARestartContinuesTheSplitTreeAndItsAttempts) {
  Lane lane;
  const Settings settings = bisecting(4, 2);
  step(settings, lane, Woken{}, kStart);
  step(settings, lane, Arrived{.records = {record(1), record(2), record(3), record(4)}, .read_to = 4}, kStart);
  step(settings, lane, Returned{Outcome::kAnswered, 0}, kStart);                    // [1234] -> [12] [34]
  step(settings, lane, Returned{Outcome::kAnswered, 0}, kStart);                    // [12] -> [1] [2] [34]
  EXPECT_TRUE(step(settings, lane, Returned{Outcome::kAnswered, 0}, kStart).save);  // [1] failed once
  const SavedLane state = saved(lane);
  EXPECT_EQ(state.settled, 0u);
  ASSERT_EQ(state.planned.size(), 3u);
  EXPECT_EQ(state.planned.back().last, 1u);
  EXPECT_EQ(state.planned.back().tries.failures, 1);

  Scenario again(settings, 4, throws_on(1));
  again.lane_ = restored(state);
  EXPECT_EQ(again.run(), "[1][1]D1r3[2][34]|4");
}

TEST(Lane, APlannedBatchDoesNotWaitForRecordsThatAreGone) {
  Scenario scenario(options(10), 4, succeed);
  scenario.lane_ = restored({.settled = 2, .planned = {{.last = 9, .tries = {}}}});
  EXPECT_EQ(scenario.run(), "[34]|4");
  Scenario ended(options(10), 0, succeed);
  ended.lane_ = restored({.settled = 2, .planned = {{.last = 9, .tries = {}}}});
  EXPECT_EQ(ended.run(), "|2");
  EXPECT_TRUE(ended.lane_.planned.empty());
}

TEST(Lane, AChildMayStartOnlyWhenTheShardIsSettledToItsEnd) {
  Lane lane;
  const Settings settings = options(10);
  step(settings, lane, Woken{}, kStart);
  step(settings, lane, Arrived{.records = {record(1)}, .read_to = 1, .at_tail = true, .shard_ended = true}, kStart);
  EXPECT_FALSE(is_finished(lane));
  step(settings, lane, Returned{Outcome::kAnswered, 1}, kStart);
  EXPECT_TRUE(is_finished(lane));
}

// A lane, its log, a function and a disk, driven by chance.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {
    settings_.batch_size = 1 + pick(12);
    settings_.window = Milliseconds(chance(50) ? 0 : pick(20'000));
    settings_.retries_max = static_cast<int>(pick(5)) - 1;
    settings_.bisect = chance(50);
    settings_.payload_bytes_max = chance(30) ? 40 + pick(200) : kPayloadBytesMax;
    settings_.tumbling = Seconds(chance(40) ? 1 + pick(40) : 0);
    settings_.lanes = chance(50) ? 1 : 4;
    settings_.age_max = chance(30) ? Milliseconds(60'000) : Milliseconds(86'400'000);
    batch_size_max_ = settings_.batch_size;
    for (std::size_t i = pick(4); i > 0; --i) poison_.insert(1 + pick(80));
    follow(step(settings_, lane_, Woken{}, now_));
  }

  void run() {
    for (int i = 0; i < 400; ++i) random_action();
    calm_ = true;
    settings_.enabled = true;
    ended_ = true;
    follow(step(settings_, lane_, Grew{}, now_));
    for (int i = 0; i < 4000 && !is_finished(lane_); ++i) settle_action();
    check_end();
  }

  std::map<std::string, int> reached;

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  bool chance(unsigned percent) { return pick(100) < percent; }

  void random_action() {
    const std::uint64_t dice = pick(100);
    if (dice < 20) return append();
    if (dice < 45) return finish_read();
    if (dice < 70) return finish_work();
    if (dice < 90) return advance();
    if (dice < 93) return kill();
    if (dice < 96) return forget();
    change_settings();
  }

  void settle_action() {
    finish_read();
    finish_work();
    advance();
  }

  void append() {
    for (std::size_t i = 1 + pick(6); i > 0; --i) {
      now_ += Milliseconds(pick(4000));
      log_.push_back(record(log_.size() + 1, now_, 5 + pick(60)));
      if (chance(25)) filtered_.insert(log_.back().sequence);
    }
    follow(step(settings_, lane_, Grew{}, now_));
  }

  void finish_read() {
    if (!read_) return;
    const ReadMore wanted = *read_;
    read_.reset();
    Arrived out{.read_to = lane_.read_to};
    std::size_t bytes = 0;
    for (SequenceNumber id = lane_.read_to + 1; id <= log_.size() && out.records.size() < wanted.records_max; ++id) {
      const Record& next = log_[id - 1];
      const bool keep = filtered_.count(id) == 0;
      if (keep && !out.records.empty() && bytes + next.event.size() > wanted.bytes_max) break;
      out.read_to = id;
      if (!keep) {
        ++out.passed;
        continue;
      }
      bytes += next.event.size();
      out.records.push_back(next);
    }
    out.at_tail = out.read_to == log_.size();
    out.shard_ended = out.at_tail && ended_;
    follow(step(settings_, lane_, std::move(out), now_));
  }

  void finish_work() {
    if (working_ == Working::kNo) return;
    const bool discarding = working_ == Working::kDiscarding;
    working_ = Working::kNo;
    const auto& records = lane_.stack.back().records;
    if (discarding) {
      for (const Record& each : records) end(each.sequence, "discarded");
      if (records.empty()) state_ = kEmptyState;
      return follow(step(settings_, lane_, Discarded{}, now_));
    }
    if (!calm_ && chance(10)) {
      ++reached["refused"];
      const Outcome outcome = chance(50) ? Outcome::kThrottled : Outcome::kRefused;
      return follow(step(settings_, lane_, Returned{outcome, 0}, now_));
    }
    Returned out{.done = answer(records)};
    if (lane_.tumbling && !(chance(5) && !calm_)) {
      out.state = R"({"n":)" + std::to_string(++states_) + "}";
      if (chance(3) && !calm_) out.state = std::string(kStateBytesMax + 1, 'x');
    }
    if (lane_.tumbling && !out.state) out.done = 0;
    for (std::size_t i = 0; i < std::min(out.done, records.size()); ++i) end(records[i].sequence, "acknowledged");
    if (out.done > 0 && out.state) state_ = records.empty() ? std::string(kEmptyState) : *out.state;
    follow(step(settings_, lane_, std::move(out), now_));
  }

  std::size_t answer(const std::deque<Record>& records) {
    if (records.empty()) return calm_ || chance(70) ? 1 : 0;
    if (calm_) return records.size();
    if (chance(10)) return pick(records.size() + 1);  // a function may report anything
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (poison_.count(records[i].sequence) > 0) return chance(50) ? 0 : i;
    }
    return records.size();
  }

  void advance() {
    if (chance(5) && !calm_) now_ += Seconds(pick(100));
    if (next_wake_ != kNever) now_ = std::max(now_, next_wake_);
    follow(step(settings_, lane_, Woken{}, now_));
  }

  void kill() {
    ++reached["killed"];
    lane_ = restored(disk_);
    read_.reset();
    working_ = Working::kNo;
    checked_ = disk_.settled;
    state_ = disk_.tumbling ? disk_.tumbling->state : std::string(kEmptyState);
    // What was not saved has not happened, as far as the stream is concerned.
    ends_.erase(ends_.upper_bound(disk_.settled), ends_.end());
    if (chance(20)) trim(disk_.settled + pick(10));
    follow(step(settings_, lane_, Woken{}, now_));
  }

  // Retention has overtaken the position.
  void trim(SequenceNumber to) {
    for (SequenceNumber id = disk_.settled + 1; id <= std::min<SequenceNumber>(to, log_.size()); ++id) {
      if (ends_.count(id) == 0) filtered_.insert(id);
    }
  }

  void forget() { follow(step(settings_, lane_, Forgotten{}, now_)); }

  void change_settings() {
    settings_.enabled = chance(70);
    settings_.batch_size = 1 + pick(12);
    batch_size_max_ = std::max(batch_size_max_, settings_.batch_size);
    if (chance(20)) settings_.tumbling = Seconds(chance(50) ? 1 + pick(40) : 0);
    if (!settings_.enabled) forget();
    follow(step(settings_, lane_, Woken{}, now_));
  }

  void follow(Effects effects) {
    if (effects.save) {
      const SavedLane state = saved(lane_);
      ASSERT_GE(state.settled, disk_.settled) << "the position moved back";
      disk_ = state;
    }
    if (effects.read.records_max > 0) {
      ASSERT_FALSE(read_.has_value());
      read_ = effects.read;
    }
    if (lane_.settled > 0) check_position();
    if (const auto* wait = std::get_if<Wait>(&effects.next)) {
      if (working_ == Working::kNo) next_wake_ = wait->until;
      return;
    }
    ASSERT_EQ(working_, Working::kNo) << "two things at once";
    next_wake_ = kNever;
    check_batch();
    if (const auto* discard = std::get_if<Discard>(&effects.next)) {
      working_ = Working::kDiscarding;
      const Tries& tries = lane_.stack.back().tries;
      ++reached[discard->reason == Reason::kRecordAgeExceeded ? "too old" : "exhausted"];
      if (discard->reason == Reason::kRetryAttemptsExhausted) {
        ASSERT_EQ(tries.failures, settings_.retries_max + 1);
      }
    } else {
      working_ = Working::kInvoking;
      check_window();
      if (lane_.stack.size() > 1) ++reached["split"];
    }
  }

  void check_batch() {
    const auto& records = lane_.stack.back().records;
    if (records.empty()) {
      ASSERT_TRUE(lane_.tumbling && lane_.tumbling->closing) << "a final invocation of no window";
      return;
    }
    ASSERT_LE(records.size(), batch_size_max_);
    std::size_t bytes = kEnvelopeBytes;
    for (const Record& each : records) bytes += each.event.size() + 1;
    if (records.size() > 1) {
      ASSERT_LE(bytes, settings_.payload_bytes_max);
    }
    // The next record that has not ended, and no gap after it.
    SequenceNumber expected = lane_.settled + 1;
    for (const Record& each : records) {
      while (filtered_.count(expected) > 0 || ends_.count(expected) > 0) ++expected;
      ASSERT_EQ(each.sequence, expected) << "out of order or skipped";
      ++expected;
    }
  }

  // The function is handed what it returned last, and records of one window that has not been closed before.
  void check_window() {
    ASSERT_TRUE(lane_.tumbling.has_value() || settings_.tumbling == Milliseconds(0));
    if (!lane_.tumbling) return;
    ASSERT_EQ(lane_.tumbling->state == state_, true) << "the state is not the one that was returned";
    for (const Record& each : lane_.stack.back().records) {
      ASSERT_LT(each.created, lane_.tumbling->window.end);
      ASSERT_TRUE(each.created >= lane_.tumbling->window.start || lane_.tumbled_to > each.created);
    }
    ASSERT_LE(lane_.tumbled_to, lane_.tumbling->window.end);
  }

  void check_position() {
    for (SequenceNumber id = checked_ + 1; id <= lane_.settled; ++id) {
      ASSERT_TRUE(filtered_.count(id) > 0 || ends_.count(id) > 0) << id << " was passed without an end";
    }
    checked_ = std::max(checked_, lane_.settled);
  }

  void end(SequenceNumber id, const std::string& how) {
    ASSERT_EQ(filtered_.count(id), 0u);
    ASSERT_TRUE(ends_.emplace(id, how).second) << id << " ended twice";
    ++reached[how];
  }

  void check_end() {
    ASSERT_TRUE(is_finished(lane_)) << "did not settle";
    ASSERT_FALSE(lane_.tumbling.has_value()) << "a window without an end";
    ASSERT_EQ(lane_.settled, log_.size());
    for (SequenceNumber id = 1; id <= log_.size(); ++id) {
      ASSERT_EQ(ends_.count(id) + filtered_.count(id), 1u) << id;
    }
  }

  enum class Working { kNo, kInvoking, kDiscarding };
  std::mt19937_64 random_;
  Settings settings_;
  Lane lane_;
  SavedLane disk_;
  Time now_ = kStart;
  Time next_wake_ = kNever;
  std::optional<ReadMore> read_;
  Working working_ = Working::kNo;
  bool calm_ = false;
  bool ended_ = false;
  std::size_t batch_size_max_ = 0;
  SequenceNumber checked_ = 0;
  std::string state_{kEmptyState};
  int states_ = 0;
  std::vector<Record> log_;
  std::set<SequenceNumber> filtered_;
  std::set<SequenceNumber> poison_;
  std::map<SequenceNumber, std::string> ends_;
};

TEST(LaneHistories, KeepEveryInvariant) {
  std::map<std::string, int> reached;
  DecisionCounts decisions{};
  const CountDecisions counting(decisions);
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history(seed);
    history.run();
    for (const auto& [what, count] : history.reached) reached[what] += count;
    if (testing::Test::HasFatalFailure()) return;
  }
  for (const char* what : {"acknowledged", "discarded", "too old", "exhausted", "split", "killed", "refused"}) {
    EXPECT_GT(reached[what], 100) << what << " was hardly ever reached";
    std::cout << what << " " << reached[what] << "  ";
  }
  std::cout << "\n";
  // Those of shards are the engine's.
  for (std::size_t i = 0; i < static_cast<std::size_t>(Decision::kChildWaits); ++i) {
    const auto decision = static_cast<Decision>(i);
    EXPECT_GT(decisions[i], 0u) << name_of(decision) << " was never reached";
    std::cout << name_of(decision) << " " << decisions[i] << "  ";
  }
  std::cout << "\n";
}

}  // namespace
}  // namespace millrace::triggers
