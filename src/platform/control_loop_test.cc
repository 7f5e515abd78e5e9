#include "platform/control_loop.h"

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::platform {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""h;
using testing::ElementsAre;
using testing::HasSubstr;

Deadline in(Milliseconds wait) { return std::chrono::steady_clock::now() + wait; }

class ControlLoopTest : public testing::Test {
 protected:
  explicit ControlLoopTest(ControlLoopOptions options = {.offset = 1h}) : loop_(options) { loop_.start(); }

  Advanced advance(Milliseconds by) {
    std::promise<Advanced> over;
    const auto target = loop_.advance(by, [&](const Advanced& how) { over.set_value(how); });
    EXPECT_TRUE(target.ok());
    return over.get_future().get();
  }
  // Runs `f` on the control thread and waits for it.
  void run(const std::function<void()>& f) {
    std::promise<void> over;
    loop_.post([&] {
      f();
      over.set_value();
    });
    over.get_future().get();
  }

  ControlLoop loop_;
};

TEST_F(ControlLoopTest, PostedWorkRunsInOrderOnOneThread) {
  std::vector<int> order;
  std::thread::id first;
  for (int i = 0; i < 3; ++i) {
    loop_.post([&, i] {
      order.push_back(i);
      first = std::this_thread::get_id();
    });
  }
  run([&] { EXPECT_EQ(std::this_thread::get_id(), first); });
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
  EXPECT_NE(first, std::this_thread::get_id());
}

TEST_F(ControlLoopTest, PostedWorkIsBusyUntilItHasRun) {
  run([&] { EXPECT_EQ(loop_.busy().count(), 1); });
  std::promise<bool> idle;
  loop_.when_idle([&](bool is) { idle.set_value(is); }, in(60s));
  EXPECT_TRUE(idle.get_future().get());
}

TEST(ControlLoopStartTest, NothingRunsBeforeStart) {
  ControlLoop loop;
  std::promise<void> ran;
  std::atomic<bool> started = false;
  loop.post([&] {
    EXPECT_TRUE(started);
    ran.set_value();
  });
  started = true;
  loop.start();
  ran.get_future().get();
}

TEST_F(ControlLoopTest, NowIsTheMachinesClockPlusTheOffset) {
  EXPECT_GE(loop_.now() - loop_.machine_now(), 1h - 100ms);
  EXPECT_LE(loop_.now() - loop_.machine_now(), 1h + 100ms);
  EXPECT_EQ(loop_.offset(), 1h);
}

TEST_F(ControlLoopTest, ATimerOfThePastRunsAtOnceAndOneOfTheFutureWhenItIsDue) {
  std::promise<void> past;
  const Timer a = loop_.at(loop_.now() - 1h, [&] { past.set_value(); });
  past.get_future().get();
  std::promise<Time> future;
  const Time when = loop_.now() + 30ms;
  const Timer b = loop_.at(when, [&] { future.set_value(loop_.now()); });
  EXPECT_GE(future.get_future().get(), when);
}

TEST_F(ControlLoopTest, AnEarlierTimerOvertakesTheOneThatIsWaitedFor) {
  const Timer late = loop_.at(loop_.now() + 1h, [] { FAIL(); });
  run([] {});
  std::promise<void> ran;
  const Timer soon = loop_.at(loop_.now() + 5ms, [&] { ran.set_value(); });
  ran.get_future().get();
}

TEST_F(ControlLoopTest, AdvanceRunsTimersInOrderOfTimeThenOfScheduling) {
  const Time start = loop_.now();
  std::vector<std::string> order;
  std::vector<Timer> timers;
  const auto note = [&](const char* name) { return [&order, name] { order.emplace_back(name); }; };
  timers.push_back(loop_.at(start + 3h, note("3h")));
  timers.push_back(loop_.at(start + 1h, note("1h a")));
  timers.push_back(loop_.at(start + 2h, note("2h")));
  timers.push_back(loop_.at(start + 1h, note("1h b")));
  timers.push_back(loop_.at(start + 9h, note("9h")));
  const Advanced how = advance(4h);
  EXPECT_TRUE(how.complete);
  EXPECT_EQ(how.timers_run, 4);
  EXPECT_THAT(order, ElementsAre("1h a", "1h b", "2h", "3h"));
  EXPECT_GE(loop_.now(), start + 4h);
  EXPECT_GE(loop_.offset(), 5h - 1min);
}

TEST_F(ControlLoopTest, EveryTimerOfASimulatedMonthSeesItsOwnTime) {
  const Time start = loop_.now();
  std::int64_t ticks = 0;
  std::int64_t wrong = 0;
  Timer timer;
  std::function<void(Time)> schedule = [&](Time when) {
    timer = loop_.at(when, [&, when] {
      ++ticks;
      if (loop_.now() != when) ++wrong;
      schedule(when + 1min);
    });
  };
  schedule(start + 1min);
  const Advanced how = advance(std::chrono::days(30));
  EXPECT_TRUE(how.complete);
  run([&] { timer.cancel(); });
  EXPECT_EQ(ticks, 30 * 24 * 60);
  EXPECT_EQ(wrong, 0);
}

TEST_F(ControlLoopTest, WorkStartedByATimerFinishesBeforeTheNextTimer) {
  const Time start = loop_.now();
  std::vector<std::string> order;  // used on the control thread only
  std::vector<Timer> timers;
  timers.push_back(loop_.at(start + 1h, [&] {
    order.emplace_back("first");
    loop_.offload([] { std::this_thread::sleep_for(20ms); },
                  [&] { loop_.post([&] { order.emplace_back("its work"); }); });
  }));
  timers.push_back(loop_.at(start + 1h + 1ms, [&] { order.emplace_back("second"); }));
  EXPECT_TRUE(advance(2h).complete);
  EXPECT_THAT(order, ElementsAre("first", "its work", "second"));
}

TEST_F(ControlLoopTest, ATimerSetByWorkOfAStepRunsInTheSameAdvance) {
  const Time start = loop_.now();
  std::vector<Time> retries;
  Timer timer;
  std::function<void()> retry = [&] {
    retries.push_back(loop_.now());
    loop_.offload([] {}, [&] { timer = loop_.at(loop_.now() + 10min, retry); });
  };
  timer = loop_.at(start + 10min, retry);
  EXPECT_TRUE(advance(35min).complete);
  run([&] { timer.cancel(); });
  EXPECT_THAT(retries, ElementsAre(start + 10min, start + 20min, start + 30min));
}

TEST_F(ControlLoopTest, AdvanceWaitsForWorkThatWasBusyBeforeIt) {
  auto token = std::make_unique<Busy>(loop_.busy());
  std::atomic<bool> released = false;
  bool seen = false;
  const Timer timer = loop_.at(loop_.now() + 1h, [&] { seen = released; });
  std::promise<Advanced> over;
  ASSERT_TRUE(loop_.advance(2h, [&](const Advanced& how) { over.set_value(how); }).ok());
  run([] {});
  released = true;
  token.reset();
  EXPECT_TRUE(over.get_future().get().complete);
  EXPECT_TRUE(seen);
}

TEST_F(ControlLoopTest, AdvancesAreCarriedOutOneAfterTheOther) {
  const Time start = loop_.now();
  std::promise<void> both;
  std::vector<Time> reached;
  const auto done = [&](const Advanced& how) {
    reached.push_back(how.reached);
    if (reached.size() == 2) both.set_value();
  };
  Time first;
  Time second;
  {
    auto token = Busy(loop_.busy());
    first = loop_.advance(1h, done).value();
    second = loop_.advance(1h, done).value();
  }
  EXPECT_EQ(second, first + 1h);
  both.get_future().get();
  EXPECT_GE(first, start + 1h);
  EXPECT_GE(reached[0], first);
  EXPECT_GE(reached[1], reached[0] + 1h);
}

TEST_F(ControlLoopTest, AnAdvanceEndsWhatWasUnderWayWhenItWasAskedFor) {
  // A timer that is set by work which was posted before the move, but runs a little later by the clock.
  std::atomic<bool> fired{false};
  Timer timer;
  std::promise<Advanced> over;
  {
    auto token = Busy(loop_.busy());
    loop_.post([&] {
      std::this_thread::sleep_for(20ms);
      timer = loop_.at(loop_.now() + 1h, [&] { fired = true; });
    });
    ASSERT_TRUE(loop_.advance(1h, [&](const Advanced& how) { over.set_value(how); }).ok());
  }
  EXPECT_TRUE(over.get_future().get().complete);
  EXPECT_TRUE(fired);
}

TEST_F(ControlLoopTest, SetMovesToATimeAndRefusesThePast) {
  std::promise<Advanced> over;
  const Time to = loop_.now() + 24h;
  EXPECT_EQ(loop_.set(to, [&](const Advanced& how) { over.set_value(how); }).value(), to);
  EXPECT_EQ(over.get_future().get().reached, to);
  const auto refused = loop_.set(to - 1h, [](const Advanced&) { FAIL(); });
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("never falls"));
}

TEST_F(ControlLoopTest, AdvanceRefusesNegativeAndEndlessMoves) {
  EXPECT_FALSE(loop_.advance(-1ms, {}).ok());
  EXPECT_FALSE(loop_.advance(Milliseconds::max(), {}).ok());
  EXPECT_FALSE(loop_.set(kNever, {}).ok());
  EXPECT_EQ(loop_.offset(), 1h);
}

class ImpatientControlLoopTest : public ControlLoopTest {
 protected:
  ImpatientControlLoopTest() : ControlLoopTest(ControlLoopOptions{.advance_step_limit = 20ms}) {}
};

TEST_F(ImpatientControlLoopTest, AnAdvanceStopsWhereSomethingStaysBusy) {
  const Time start = loop_.now();
  std::optional<Busy> stuck;
  const Timer a = loop_.at(start + 1h, [&] { stuck.emplace(loop_.busy()); });
  const Timer b = loop_.at(start + 2h, [] { FAIL(); });
  const Advanced how = advance(3h);
  EXPECT_FALSE(how.complete);
  EXPECT_EQ(how.reached, start + 1h);
  EXPECT_EQ(how.busy, 1);
  EXPECT_EQ(how.timers_run, 1);
  EXPECT_LT(loop_.now(), start + 2h);
  stuck.reset();
}

TEST_F(ImpatientControlLoopTest, AnAdvanceStopsAtATimerThatAlwaysSetsItselfAgain) {
  const Time when = loop_.now() + 1h;
  Timer timer;
  std::function<void()> again = [&] { timer = loop_.at(when, again); };
  timer = loop_.at(when, again);
  const Advanced how = advance(2h);
  EXPECT_FALSE(how.complete);
  EXPECT_EQ(how.reached, when);
  run([&] { timer.cancel(); });
}

TEST_F(ImpatientControlLoopTest, WhenIdleGivesUpAtItsLimit) {
  const Busy stuck(loop_.busy());
  std::promise<bool> idle;
  loop_.when_idle([&](bool is) { idle.set_value(is); }, in(5ms));
  EXPECT_FALSE(idle.get_future().get());
}

TEST_F(ControlLoopTest, WhenIdleWaitsForWhatDueTimersStart) {
  std::vector<std::string> order;
  std::promise<void> over;
  Timer timer;
  auto token = std::make_unique<Busy>(loop_.busy());
  loop_.when_idle(
      [&](bool idle) {
        EXPECT_TRUE(idle);
        order.emplace_back("idle");
        over.set_value();
      },
      in(60s));
  loop_.offload([] {},
                [&] {
                  timer = loop_.at(loop_.now(), [&] {
                    loop_.offload([] { std::this_thread::sleep_for(5ms); }, [&] { order.emplace_back("work"); });
                  });
                  token.reset();
                });
  over.get_future().get();
  EXPECT_THAT(order, ElementsAre("work", "idle"));
}

TEST_F(ControlLoopTest, WhenIdleIsNotStarvedByOverlappingRequests) {
  // Never idle at the moment when somebody looks, but idle in between.
  auto token = std::make_unique<Busy>(loop_.busy());
  std::promise<bool> idle;
  loop_.when_idle([&](bool is) { idle.set_value(is); }, in(60s));
  token.reset();
  const Busy next(loop_.busy());
  EXPECT_TRUE(idle.get_future().get());
}

TEST_F(ControlLoopTest, ACancelledTimerDoesNotRunAndFreesWhatItHolds) {
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = held;
  Timer timer = loop_.at(loop_.now() + 1h, [held] { FAIL(); });
  held.reset();
  timer.cancel();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(advance(2h).timers_run, 0);
}

TEST_F(ControlLoopTest, ATimerMayCancelAnotherAndOwnItself) {
  const Time when = loop_.now() + 1h;
  auto own = std::make_shared<Timer>();
  Timer other = loop_.at(when + 1ms, [] { FAIL(); });
  *own = loop_.at(when, [own, &other] { other.cancel(); });
  own.reset();
  EXPECT_EQ(advance(2h).timers_run, 1);
}

TEST_F(ControlLoopTest, AReleasedTimerRunsWithoutOwner) {
  std::promise<void> ran;
  loop_.at(loop_.now() + 1ms, [&] { ran.set_value(); }).release();
  ran.get_future().get();
}

TEST(ControlLoopStopTest, StopDropsWhatWaitsAndTimersMayOutliveTheLoop) {
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = held;
  Timer timer;
  {
    ControlLoop loop;
    loop.start();
    timer = loop.at(loop.now() + 1h, [held] { FAIL(); });
    const Busy stuck(loop.busy());
    ASSERT_TRUE(loop.advance(2h, [held](const Advanced&) { FAIL(); }).ok());
    loop.when_idle([held](bool) { FAIL(); }, in(60s));
    held.reset();
    loop.stop();
    loop.stop();
    loop.post([] { FAIL(); });
    loop.offload([] { FAIL(); }, [] { FAIL(); });
    loop.at(loop.now(), [] { FAIL(); }).release();
    EXPECT_TRUE(watch.expired());
  }
  timer.cancel();
}

TEST(ControlLoopOffloadTest, AFullPoolMakesTheCallerWaitButNotAWorker) {
  ControlLoop loop(ControlLoopOptions{.workers = 1, .offload_queue_max = 1});
  loop.start();
  std::atomic<int> ran = 0;
  std::promise<void> over;
  const auto count = [&] {
    if (++ran == 20) over.set_value();
  };
  loop.offload(
      [&] {
        for (int i = 0; i < 10; ++i) loop.offload([] {}, count);
      },
      [] {});
  for (int i = 0; i < 10; ++i) loop.offload([] {}, count);
  over.get_future().get();
}

TEST_F(ControlLoopTest, ManyThreadsMayUseItAtOnce) {
  std::atomic<int> posted = 0;
  std::atomic<int> fired = 0;
  std::atomic<int> offloaded = 0;
  std::atomic<bool> fell = false;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        Time last = loop_.now();
        for (int i = 0; i < 500; ++i) {
          loop_.post([&] { ++posted; });
          loop_.offload([] {}, [&] { ++offloaded; });
          Timer cancelled = loop_.at(loop_.now() + 1ms, [] {});
          loop_.at(loop_.now() + Milliseconds(i % 7), [&] { ++fired; }).release();
          if (i % 50 == 0) {
            EXPECT_TRUE(loop_.advance(3ms, {}).ok());
          }
          const Time now = loop_.now();
          if (now < last) fell = true;
          last = now;
        }
      });
    }
  }
  EXPECT_TRUE(advance(1s).complete);
  EXPECT_EQ(posted, 2000);
  EXPECT_EQ(offloaded, 2000);
  EXPECT_EQ(fired, 2000);
  EXPECT_FALSE(fell);
}

}  // namespace
}  // namespace millrace::platform
