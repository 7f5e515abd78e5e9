#include "triggers/queue_lane.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "triggers/pattern.h"

namespace millrace::triggers {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Time kStart = Time(std::chrono::hours(500'000));

QueueMessage message(const std::string& id, const std::string& group = "", Seconds visible = Seconds(30)) {
  return {.id = id, .receipt = "r" + id, .group = group, .visible_from = kStart + visible, .event = "{}"};
}

// One lane and what it was told to do.
struct Bench {
  QueueSettings settings;
  QueueLane lane;
  Time now = kStart;
  QueueEffects last;

  const QueueEffects& feed(QueueInput input) { return last = step(settings, lane, std::move(input), now); }
  const QueueEffects& receive(std::vector<QueueMessage> messages, bool dry = false) {
    return feed(Received{{messages.begin(), messages.end()}, dry});
  }
  const QueueEffects& answer(std::uint64_t batch, std::vector<bool> done) {
    return feed(Answered{batch, Outcome::kAnswered, std::move(done)});
  }
  std::vector<std::string> ids(std::uint64_t batch) const {
    std::vector<std::string> out;
    for (const auto& each : lane.batches.at(batch).messages) out.push_back(each.id);
    return out;
  }
};

TEST(QueueLane, AsksForABatchAndInvokesWithWhatThereIs) {
  Bench bench;
  EXPECT_EQ(bench.feed(Ready{}).receive, 10u);
  bench.receive({message("1"), message("2")});
  EXPECT_THAT(bench.last.invoke, ElementsAre(1));
  EXPECT_THAT(bench.ids(1), ElementsAre("1", "2"));
  EXPECT_EQ(bench.last.receive, 10u);  // the next batch may run beside it
}

TEST(QueueLane, AnIdleLaneDoesNothing) {
  Bench bench;
  bench.feed(Ready{});
  bench.receive({}, true);
  EXPECT_EQ(bench.last.receive, 0u);
  EXPECT_EQ(bench.last.wake, kNever);
  EXPECT_EQ(bench.feed(TimePassed{}).receive, 0u);
  EXPECT_EQ(bench.feed(Ready{}).receive, 10u);
}

TEST(QueueLane, WhatBecomesReadyDuringAReceiveIsAskedForAgain) {
  Bench bench;
  bench.feed(Ready{});
  bench.feed(Ready{});
  EXPECT_EQ(bench.receive({}, true).receive, 10u);
}

TEST(QueueLane, WaitsForTheWindowUnlessTheBatchIsFull) {
  Bench bench;
  bench.settings.window = Seconds(5);
  bench.settings.batch_size = 3;
  bench.feed(Ready{});
  bench.receive({message("1")});
  EXPECT_THAT(bench.last.invoke, IsEmpty());
  EXPECT_EQ(bench.last.wake, kStart + Seconds(5));
  EXPECT_EQ(bench.last.receive, 2u);
  bench.now += Seconds(1);
  EXPECT_THAT(bench.receive({message("2"), message("3")}).invoke, ElementsAre(1));
  bench.receive({message("4")}, true);
  EXPECT_THAT(bench.last.invoke, IsEmpty());
  bench.now += Seconds(5);
  EXPECT_THAT(bench.feed(TimePassed{}).invoke, ElementsAre(2));
}

TEST(QueueLane, ClosesABatchBeforeThePayloadPassesItsLimit) {
  Bench bench;
  bench.settings.payload_bytes_max = kEnvelopeBytes + 2 * 3;
  bench.feed(Ready{});
  bench.receive({message("1"), message("2"), message("3")}, true);
  EXPECT_THAT(bench.ids(1), ElementsAre("1", "2"));
  EXPECT_THAT(bench.ids(2), ElementsAre("3"));
  QueueMessage large = message("4");
  large.event = std::string(1000, 'x');
  bench.feed(Ready{});
  bench.receive({large});
  EXPECT_THAT(bench.ids(3), ElementsAre("4"));  // alone, whatever its size
}

TEST(QueueLane, DeletesWhatIsDoneAndLeavesTheRestToItsVisibility) {
  Bench bench;
  bench.settings.report_failures = true;
  bench.feed(Ready{});
  bench.receive({message("1"), message("2"), message("3")}, true);
  EXPECT_THAT(bench.answer(1, {true, false, true}).remove, ElementsAre("r1", "r3"));
  EXPECT_THAT(bench.last.invoke, IsEmpty());
  EXPECT_THAT(bench.last.release, IsEmpty());
  EXPECT_TRUE(bench.lane.batches.empty());
}

TEST(QueueLane, RunsNoMoreThanTheConcurrencyAllows) {
  Bench bench;
  bench.settings.batch_size = 1;
  bench.settings.concurrency_max = 2;
  bench.feed(Ready{});
  bench.receive({message("1")});
  bench.receive({message("2")});
  EXPECT_EQ(bench.last.receive, 0u);
  EXPECT_EQ(bench.answer(1, {true}).receive, 1u);
}

TEST(QueueLane, GrowsWhileItGoesWellAndShrinksWhenTheFunctionFails) {
  Bench bench;
  bench.settings.batch_size = 1;
  const auto run = [&](bool done) {
    if (!bench.lane.receiving) bench.feed(Ready{});
    if (!bench.lane.receiving) {  // backs off
      bench.now = bench.last.wake;
      bench.feed(TimePassed{});
    }
    const std::uint64_t batch = bench.lane.last_batch + 1;
    bench.receive({message("x", "", Seconds(100'000))});
    bench.answer(batch, {done});
  };
  run(true);
  EXPECT_EQ(bench.lane.concurrency, kQueueConcurrencyFirst + 1);
  run(false);
  EXPECT_EQ(bench.lane.concurrency, 3u);
  run(false);
  EXPECT_EQ(bench.lane.concurrency, 1u);
  const Time before = bench.now;
  for (int i = 0; i < 10; ++i) run(false);
  EXPECT_GT(bench.now - before, Seconds(20));  // it does not rush through the queue
  EXPECT_LE(bench.lane.not_before - bench.now, kQueueBackoffMax * 2);
  run(true);
  EXPECT_EQ(bench.lane.failures, 0);
  EXPECT_LE(bench.lane.not_before, bench.now);
}

TEST(QueueLane, FailuresThatAreReportedScaleNothingDown) {
  Bench bench;
  bench.settings.report_failures = true;
  bench.feed(Ready{});
  bench.receive({message("1")});
  bench.answer(1, {false});
  EXPECT_EQ(bench.lane.concurrency, kQueueConcurrencyFirst);
  EXPECT_EQ(bench.lane.failures, 1);
}

TEST(QueueLane, AThrottledBatchIsTriedAgainUntilItsVisibilityEnds) {
  Bench bench;
  bench.feed(Ready{});
  bench.receive({message("1"), message("2", "", Seconds(60))}, true);
  std::uint64_t tries = 0;
  while (bench.now < kStart + Seconds(61)) {
    bench.feed(Answered{1, Outcome::kThrottled, {}});
    ++tries;
    bench.feed(Ready{});
    EXPECT_EQ(bench.last.receive, 0u);  // more would be throttled as well
    ASSERT_NE(bench.last.wake, kNever);
    bench.now = bench.last.wake;
    bench.feed(TimePassed{});
    if (bench.last.invoke.empty()) break;
    if (bench.now >= kStart + Seconds(30)) {
      EXPECT_THAT(bench.ids(1), ElementsAre("2"));
    }
  }
  EXPECT_GT(tries, 5u);
  EXPECT_TRUE(bench.lane.batches.empty());
  EXPECT_GT(bench.last.receive, 0u);
}

TEST(QueueLane, WhatOutlivesItsVisibilityInTheWindowIsNotDelivered) {
  Bench bench;
  bench.settings.window = Seconds(60);
  bench.feed(Ready{});
  bench.receive({message("1"), message("2", "", Seconds(90))}, true);
  bench.now += Seconds(60);
  EXPECT_THAT(bench.feed(TimePassed{}).invoke, ElementsAre(1));
  EXPECT_THAT(bench.ids(1), ElementsAre("2"));
}

TEST(QueueLane, DisablingFinishesWhatRunsAndGivesBackTheRest) {
  Bench bench;
  bench.settings.batch_size = 1;
  bench.settings.concurrency_max = 1;
  bench.feed(Ready{});
  bench.receive({message("1"), message("2")});
  bench.settings.enabled = false;
  EXPECT_THAT(bench.feed(TimePassed{}).release, ElementsAre("r2"));
  EXPECT_THAT(bench.answer(1, {true}).remove, ElementsAre("r1"));
  EXPECT_EQ(bench.feed(Ready{}).receive, 0u);
}

TEST(QueueLane, AFailedMessageStopsTheRestOfItsGroup) {
  Bench bench;
  bench.settings.batch_size = 2;
  bench.feed(Ready{});
  bench.receive({message("a1", "a"), message("b1", "b"), message("a2", "a"), message("b2", "b")}, true);
  EXPECT_THAT(bench.last.invoke, ElementsAre(1));  // a2 and b2 wait for their groups
  bench.settings.report_failures = true;
  EXPECT_THAT(bench.answer(1, {false, true}).invoke, ElementsAre(2));
  EXPECT_THAT(bench.ids(2), ElementsAre("b2"));
  EXPECT_TRUE(bench.lane.buffer.empty());  // a2 comes again, behind a1
}

TEST(ReportedDone, FollowsAws) {
  const std::vector<QueueMessage> batch = {message("1"), message("2"), message("3")};
  for (const char* body : {"", "null", "{}", R"({"batchItemFailures":[]})", R"({"batchItemFailures":null})"})
    EXPECT_THAT(reported_done(body, batch), ElementsAre(true, true, true)) << body;
  EXPECT_THAT(reported_done(R"({"batchItemFailures":[{"itemIdentifier":"2"}]})", batch),
              ElementsAre(true, false, true));
  for (const char* body : {R"({"batchItemFailures":[{"itemIdentifier":"2"},{"itemIdentifier":"9"}]})",
                           R"({"batchItemFailures":[{"itemIdentifier":""}]})", R"({"batchItemFailures":[{"id":"2"}]})",
                           R"({"batchItemFailures":["2"]})", R"({"batchItemFailures":{}})", "no json", "17"})
    EXPECT_THAT(reported_done(body, batch), ElementsAre(false, false, false)) << body;
}

TEST(QueueFilter, PlainTextAndJsonDoNotMatchEachOther) {
  const auto passes = [](const std::string& pattern, const std::string& body) {
    const auto filters = Filters::compile({pattern});
    return filters->pass_text(filterable(codec::Json::object({{"messageId", "1"}, {"body", body}}).dump()));
  };
  EXPECT_TRUE(passes(R"({"body":{"a":[1]}})", R"({"a":1})"));
  EXPECT_FALSE(passes(R"({"body":{"a":[1]}})", R"({"a":2})"));
  EXPECT_FALSE(passes(R"({"body":{"a":[1]}})", "plain"));
  EXPECT_TRUE(passes(R"({"body":["plain"]})", "plain"));
  EXPECT_FALSE(passes(R"({"body":["{\"a\":1}"]})", R"({"a":1})"));
  EXPECT_TRUE(passes(R"({"messageId":["1"]})", R"({"a":1})"));
  EXPECT_TRUE(passes(R"({"body":["17"]})", "17"));  // a number is plain text
}

// A queue as far as the lane can see it: messages with a visibility, groups in order, and what was delivered.
class Histories : public ::testing::TestWithParam<bool> {
 protected:
  struct Stored {
    std::string id, group;
    Time visible{};
    int receives = 0;
  };
  bool is_fifo() const { return GetParam(); }
  std::uint64_t draw(std::uint64_t below) { return random_() % below; }

  bool is_blocked(const std::string& group) const {
    return is_fifo() && std::any_of(queue_.begin(), queue_.end(), [&](const Stored& stored) {
             return stored.group == group && stored.visible > bench_.now && stored.receives > 0;
           });
  }

  std::deque<QueueMessage> take(std::size_t count) {
    std::set<std::string> blocked;
    for (const Stored& stored : queue_) {
      if (is_blocked(stored.group)) blocked.insert(stored.group);
    }
    std::deque<QueueMessage> out;
    for (Stored& stored : queue_) {
      if (out.size() == count) break;
      if (stored.visible > bench_.now || blocked.contains(stored.group)) continue;
      stored.visible = bench_.now + Seconds(30);
      ++stored.receives;
      out.push_back({.id = stored.id,
                     .receipt = stored.id + "/" + std::to_string(stored.receives),
                     .group = is_fifo() ? stored.group : "",
                     .visible_from = stored.visible,
                     .event = std::string(1 + draw(40), 'e')});
    }
    return out;
  }

  Stored* named(const std::string& receipt) {
    const auto found = std::find_if(queue_.begin(), queue_.end(), [&](const Stored& stored) {
      return receipt == stored.id + "/" + std::to_string(stored.receives);
    });
    return found == queue_.end() ? nullptr : &*found;
  }

  void perform(const QueueEffects& effects) {
    for (const auto& receipt : effects.remove) {
      const Stored* stored = named(receipt);
      if (stored != nullptr) std::erase_if(queue_, [id = stored->id](const Stored& each) { return each.id == id; });
    }
    for (const auto& receipt : effects.release) {
      if (Stored* stored = named(receipt)) stored->visible = bench_.now;
    }
    for (const auto batch : effects.invoke) {
      const auto& messages = bench_.lane.batches.at(batch).messages;
      ASSERT_LE(messages.size(), bench_.settings.batch_size);
      std::size_t bytes = kEnvelopeBytes;
      for (const auto& each : messages) bytes += each.event.size() + 1;
      ASSERT_TRUE(messages.size() == 1 || bytes <= bench_.settings.payload_bytes_max);
      for (const auto& each : messages) {
        ASSERT_GT(each.visible_from, bench_.now);  // still its own
        delivered(each);
      }
      running_.push_back(batch);
    }
    ASSERT_LE(running_.size(), bench_.settings.concurrency_max);
    if (effects.receive > 0) asked_ = effects.receive;
  }

  // FIFO: nothing of a group is delivered before all that was sent before it is done.
  void delivered(const QueueMessage& message) {
    ++deliveries_;
    if (!is_fifo()) return;
    for (const auto batch : running_) {
      for (const auto& other : bench_.lane.batches.at(batch).messages) ASSERT_NE(other.group, message.group);
    }
    // Nothing of the group comes later in the queue and was delivered already: ids count up.
    const auto first =
        std::find_if(queue_.begin(), queue_.end(), [&](const Stored& stored) { return stored.group == message.group; });
    ASSERT_NE(first, queue_.end());
    if (first->id != message.id) {
      bool is_behind_first = false;
      for (const auto& [batch, content] : bench_.lane.batches) {
        for (const auto& other : content.messages) is_behind_first = is_behind_first || other.id == first->id;
      }
      ASSERT_TRUE(is_behind_first) << message.id << " overtook " << first->id;
    }
  }

  void answer_one(bool always_succeeds) {
    if (running_.empty()) return;
    const std::size_t at = draw(running_.size());
    const std::uint64_t batch = running_[at];
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(at));
    Answered answer{batch, Outcome::kAnswered, {}};
    const std::size_t count = bench_.lane.batches.at(batch).messages.size();
    switch (always_succeeds ? 0 : draw(4)) {
      case 0:
        answer.done.assign(count, true);
        break;
      case 1:
        answer.done.assign(count, false);
        break;
      case 2:
        // AWS: a function on a FIFO queue reports the first failure and everything behind it.
        for (std::size_t i = 0, fails_from = draw(count + 1); i < count; ++i) answer.done.push_back(i < fails_from);
        break;
      default:
        answer.outcome = draw(2) == 0 ? Outcome::kThrottled : Outcome::kRefused;
    }
    perform(bench_.feed(std::move(answer)));
  }

  void receive_one() {
    if (asked_ == 0) return;
    auto messages = take(std::exchange(asked_, 0));
    const bool dry = messages.empty();
    perform(bench_.feed(Received{std::move(messages), dry}));
  }

  void pass(Milliseconds by) {
    bench_.now += by;
    perform(bench_.feed(TimePassed{}));
    perform(bench_.feed(Ready{}));
  }

  std::mt19937_64 random_;
  Bench bench_;
  std::vector<Stored> queue_;
  std::vector<std::uint64_t> running_;
  std::size_t asked_ = 0;
  std::uint64_t deliveries_ = 0;
};

TEST_P(Histories, LoseNothingAndKeepGroupsInOrder) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_.seed(seed);
    bench_ = Bench();
    queue_.clear();
    running_.clear();
    asked_ = 0;
    bench_.settings.batch_size = 1 + draw(5);
    bench_.settings.window = is_fifo() ? Seconds(0) : Seconds(draw(3));
    bench_.settings.concurrency_max = 2 + draw(5);
    bench_.settings.payload_bytes_max = kEnvelopeBytes + 60;
    bench_.settings.report_failures = draw(2) == 0;
    int sent = 0;
    for (int step = 0; step < 200 && !HasFatalFailure(); ++step) {
      switch (draw(6)) {
        case 0: {
          const std::string id = std::to_string(sent++);
          queue_.push_back({id, std::string(1, static_cast<char>('a' + draw(3))), {}, 0});
          perform(bench_.feed(Ready{}));
          break;
        }
        case 1:
        case 2:
          receive_one();
          break;
        case 3:
          answer_one(false);
          break;
        case 4:
          pass(Milliseconds(draw(5'000)));
          break;
        default:
          if (draw(10) != 0) break;
          bench_.settings.enabled = !bench_.settings.enabled;
          perform(bench_.feed(TimePassed{}));
      }
    }
    bench_.settings.enabled = true;
    for (int step = 0; step < 500 && !queue_.empty() && !HasFatalFailure(); ++step) {
      pass(Seconds(10));
      receive_one();
      while (!running_.empty()) answer_one(true);
    }
    ASSERT_TRUE(queue_.empty()) << queue_.size() << " messages were never done";
  }
  EXPECT_GT(deliveries_, 5'000u);
}

INSTANTIATE_TEST_SUITE_P(Of, Histories, ::testing::Values(false, true),
                         [](const auto& which) { return which.param ? "FifoQueues" : "StandardQueues"; });

}  // namespace
}  // namespace millrace::triggers
