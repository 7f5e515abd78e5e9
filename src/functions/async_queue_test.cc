#include "functions/async_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "functions/internal/event_records.h"
#include "storage/memory/memory_store.h"
#include "storage/no_blocking.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::functions {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class Immediate final : public EventRunner {
 public:
  Immediate() { policy.in_flight_max = 100; }
  std::optional<EventPolicy> policy_of(const FunctionReference&) override { return policy; }
  void run(const Event& event, std::function<void(EventAnswer)> done) override {
    runs.push_back(event.request_id);
    done({.kind = fails ? EventAnswer::Kind::kFailed : EventAnswer::Kind::kSucceeded, .payload = "{}"});
  }
  void measure(Measurement) override {}

  EventPolicy policy;
  bool fails = false;
  std::vector<std::string> runs;
};

class Letters final : public delivery::Target {
 public:
  Result<void> check(std::string_view) override { return {}; }
  Result<delivery::AfterCommit> stage(std::string_view, const delivery::Message& message,
                                      storage::WriteBatch&) override {
    return delivery::AfterCommit([this, body = message.body] { bodies.push_back(body); });
  }
  std::vector<std::string> bodies;
};

// Has its pool tell that it is one.
class Pooled final : public platform::Scheduler {
 public:
  Time now() const override { return virtual_.now(); }
  Time machine_now() const override { return virtual_.machine_now(); }
  Deadline monotonic_now() const override { return virtual_.monotonic_now(); }
  void post(std::function<void()> work) override { virtual_.post(std::move(work)); }
  platform::Timer at(Time when, std::function<void()> work) override { return virtual_.at(when, std::move(work)); }
  void offload(std::function<void()> work, std::function<void()> done) override {
    ++offloads;
    const auto told = [this, work = std::move(work)] {
      on_pool = true;
      work();
      on_pool = false;
    };
    // Others get their turn between the two, as with real threads.
    virtual_.offload(told, [this, done = std::move(done)] { virtual_.post([this, done] { virtual_.post(done); }); });
  }
  platform::BusyCounter& busy() override { return virtual_.busy(); }
  testing::VirtualScheduler& underlying() { return virtual_; }

  bool on_pool = false;
  int offloads = 0;

 private:
  testing::VirtualScheduler virtual_;
};

// Counts the reads of events that may wait for the disk and are not the pool's.
class Guarded final : public storage::Store {
 public:
  Guarded(storage::MemoryStore& store, const Pooled& scheduler) : store_(store), scheduler_(scheduler) {}
  Result<void> write(const storage::WriteBatch& batch, Sync sync) override { return store_.write(batch, sync); }
  Result<std::optional<std::string>> get(storage::Family family, std::string_view key) const override {
    look(family);
    return store_.get(family, key);
  }
  std::unique_ptr<storage::Iterator> iterate(storage::Family family, storage::Bounds bounds) const override {
    look(family);
    return store_.iterate(family, std::move(bounds));
  }
  void reclaim(storage::Family family, std::string_view from, std::string_view to) override {
    store_.reclaim(family, from, to);
  }
  std::string statistics() const override { return store_.statistics(); }

  mutable int waits = 0;

 private:
  void look(storage::Family family) const {
    if (family == storage::Family::kQueue && !scheduler_.on_pool && !storage::NoBlocking::active()) ++waits;
  }
  storage::MemoryStore& store_;
  const Pooled& scheduler_;
};

class AsyncQueueTest : public ::testing::Test {
 protected:
  AsyncQueueTest() {
    delivery_.add("sqs", letters_);
    restart();
  }
  void restart() {
    queue_.reset();
    scheduler_ = std::make_unique<Pooled>();  // what was posted is gone
    time().set_machine_offset(machine_offset_);
    guarded_ = std::make_unique<Guarded>(store_, *scheduler_);
    commits_ = std::make_unique<testing::TestCommits>(store_, static_cast<const platform::Clock&>(*scheduler_));
    queue_ = std::make_unique<AsyncQueue>(*guarded_, *commits_, *scheduler_, delivery_, registry_, runner_);
    ASSERT_TRUE(queue_->load().ok());
    guarded_->waits = 0;
  }
  testing::VirtualScheduler& time() { return scheduler_->underlying(); }
  Event event(const std::string& id) const {
    return {.function = {{Scope{}, "f"}, ""}, .request_id = id, .payload = "{}", .received = scheduler_->now()};
  }
  // The number it got, seen in the batch.
  std::uint64_t stage(const std::string& id) {
    storage::WriteBatch batch;
    const auto after = queue_->stage(event(id), batch);
    std::uint64_t number = 0;
    for (const auto& operation : batch.operations()) {
      if (const auto key = internal::parse_event_key(operation.key)) number = key->second;
    }
    commits_->submit(std::move(batch), [after](const storage::Committed&) { after(); });
    time().run_ready();
    return number;
  }

  storage::MemoryStore store_;
  Milliseconds machine_offset_{0};
  telemetry::Registry registry_;
  delivery::Delivery delivery_;
  Letters letters_;
  Immediate runner_;
  std::unique_ptr<Pooled> scheduler_;
  std::unique_ptr<Guarded> guarded_;
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<AsyncQueue> queue_;
};

TEST_F(AsyncQueueTest, AnEventThatLeavesIsBusyUntilItsDestinationKnows) {
  runner_.policy.on_success = "arn:aws:sqs:us-east-1:000000000000:letters";
  commits_->hold();
  queue_->enqueue(event("id"));
  ASSERT_TRUE(commits_->commit_one());
  time().run_ready();
  ASSERT_EQ(runner_.runs.size(), 1U);
  ASSERT_EQ(commits_->waiting(), 1U) << "its end is not durable";
  EXPECT_EQ(scheduler_->busy().count(), 1);
  commits_->release();
  time().run_ready();
  EXPECT_EQ(letters_.bodies.size(), 1U);
  EXPECT_EQ(scheduler_->busy().count(), 0);
}

TEST_F(AsyncQueueTest, NumbersRiseThoughTheClockIsSetBackWhenNothingIsLeft) {
  std::uint64_t last = 0;
  for (int i = 0; i < 3; ++i) {
    for (int n = 0; n < 10; ++n) {
      const std::uint64_t number = stage("id");
      EXPECT_GT(number, last);
      last = number;
    }
    EXPECT_EQ(store_.count(storage::Family::kQueue), 0U) << "all have run";
    machine_offset_ -= std::chrono::hours(24 * 365);
    restart();
  }
}

TEST_F(AsyncQueueTest, WhatIsNotInMemoryIsReadByThePoolOnly) {
  runner_.policy.retries_max = 1;
  runner_.policy.on_failure = "arn:aws:sqs:us-east-1:000000000000:results";
  std::vector<std::string> ids;
  for (int i = 0; i < 20; ++i) queue_->enqueue(event(ids.emplace_back(std::to_string(i))));
  restart();
  store_.set_cold(true);
  runner_.fails = true;
  time().run_ready();
  EXPECT_THAT(runner_.runs, ElementsAreArray(ids));
  EXPECT_EQ(guarded_->waits, 0);
  restart();
  store_.set_cold(false);
  store_.set_cold(true);
  runner_.policy.age_max = Seconds(30);  // ends them: their last answers are read for that
  time().advance(std::chrono::minutes(2));
  EXPECT_EQ(runner_.runs.size(), 20U);
  ASSERT_EQ(letters_.bodies.size(), 20U);
  EXPECT_THAT(letters_.bodies[0], HasSubstr(R"("approximateInvokeCount":1)"));
  EXPECT_THAT(letters_.bodies[0], HasSubstr("EventAgeExceeded"));
  EXPECT_EQ(guarded_->waits, 0);
  EXPECT_EQ(store_.count(storage::Family::kQueue), 0U);
  EXPECT_THAT(queue_->status(), IsEmpty());
}

TEST_F(AsyncQueueTest, WhatIsInMemoryRunsWithoutThePool) {
  queue_->enqueue(event("1"));
  restart();
  queue_->enqueue(event("2"));
  time().run_ready();
  EXPECT_THAT(runner_.runs, ElementsAre("1", "2"));
  EXPECT_EQ(scheduler_->offloads, 0);
}

TEST_F(AsyncQueueTest, NoEventIsLostThatIsCommittedWhileThePoolReads) {
  bool struck = true;
  for (int step = 0; struck; ++step) {
    ASSERT_LT(step, 100);
    runner_.runs.clear();
    queue_->enqueue(event("old"));
    restart();
    store_.set_cold(true);
    storage::WriteBatch batch;
    const auto after = queue_->stage(event("late"), batch);  // a lower number than the next, but later on disk
    queue_->enqueue(event("new"));
    for (int i = 0; i < step; ++i) struck = time().run_one();
    commits_->submit(std::move(batch), [after](const storage::Committed&) { after(); });
    time().run_ready();
    EXPECT_THAT(runner_.runs, UnorderedElementsAre("old", "late", "new")) << step;
    EXPECT_EQ(store_.count(storage::Family::kQueue), 0U) << step;
    EXPECT_THAT(queue_->status(), IsEmpty()) << step;
    EXPECT_EQ(guarded_->waits, 0);
    store_.set_cold(false);
  }
}

TEST_F(AsyncQueueTest, ALaneThatIsDroppedWhileThePoolReadsStaysEmpty) {
  queue_->enqueue(event("old"));
  restart();
  store_.set_cold(true);
  ASSERT_TRUE(time().run_one());  // the pool is asked
  storage::WriteBatch batch;
  queue_->drop({Scope{}, "f"}, batch);
  commits_->submit(std::move(batch));
  queue_->enqueue(event("of the next function of that name"));
  time().run_ready();
  EXPECT_THAT(runner_.runs, ElementsAre("of the next function of that name"));
  EXPECT_EQ(store_.count(storage::Family::kQueue), 0U);
}

}  // namespace
}  // namespace millrace::functions
