// Whatever write or read of the store fails while asynchronous events are queued, run, retried and settled: an accepted
// event runs, and what it came to is delivered once, in the batch that erases it.
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/json.h"
#include "functions/async_queue.h"
#include "functions/check.h"
#include "functions/upgrade.h"
#include "storage/memory/memory_store.h"
#include "telemetry/log.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::functions {
namespace {

using storage::Family;
using storage::MemoryStore;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kLetterPrefix = "letters/";

// Keeps what it gets in the store, so that erasing an event and telling of it can be compared.
class Letters final : public delivery::Target {
 public:
  Result<void> check(std::string_view) override { return {}; }
  Result<delivery::AfterCommit> stage(std::string_view, const delivery::Message& message,
                                      storage::WriteBatch& batch) override {
    batch.put(Family::kText, std::string(kLetterPrefix) + std::to_string(staged_++), message.body);
    return delivery::AfterCommit{};
  }

 private:
  int staged_ = 0;
};

// Events whose payload is "bad" fail.
class Runner final : public EventRunner {
 public:
  explicit Runner(platform::Scheduler& scheduler) : scheduler_(scheduler) {}
  std::optional<EventPolicy> policy_of(const FunctionReference&) override {
    EventPolicy policy;
    policy.retries_max = 1;
    policy.on_success = policy.on_failure = "arn:aws:sqs:us-east-1:000000000000:results";
    return policy;
  }
  void run(const Event& event, std::function<void(EventAnswer)> done) override {
    ++runs[event.request_id];
    EventAnswer answer{.kind = event.payload == "\"bad\"" ? EventAnswer::Kind::kFailed : EventAnswer::Kind::kSucceeded,
                       .payload = "{}"};
    scheduler_.post([done = std::move(done), answer] { done(answer); });
  }
  void measure(Measurement) override {}

  std::map<std::string, int> runs;

 private:
  platform::Scheduler& scheduler_;
};

class FaultLoopTest : public ::testing::Test {
 protected:
  FaultLoopTest() {
    telemetry::set_log_sink([](telemetry::Level, std::string_view, std::string_view) {});
    delivery_.add("sqs", letters_);
    restart();
  }
  ~FaultLoopTest() override { telemetry::set_log_sink({}); }

  void restart() {
    scheduler_.run_ready();
    queue_.reset();
    store_.heal();
    commits_ = std::make_unique<testing::TestCommits>(store_, scheduler_);
    queue_ = std::make_unique<AsyncQueue>(store_, *commits_, scheduler_, delivery_, registry_, runner_);
    ASSERT_TRUE(queue_->load().ok());
    scheduler_.run_ready();
  }

  void enqueue(const std::string& payload) {
    const std::string id = "id-" + std::to_string(++last_id_);
    const auto commit = queue_->enqueue({.function = {{Scope{}, "f"}, ""},
                                         .request_id = id,
                                         .payload = payload,
                                         .client_context = "",
                                         .trace_id = "",
                                         .received = scheduler_.now()});
    scheduler_.run_ready();
    commits_->when_durable(commit, [&](const Error* error) {
      if (error == nullptr) accepted_.push_back(id);
    });
  }
  void work() {
    accepted_.clear();
    enqueue("\"good\"");
    enqueue("\"bad\"");
    scheduler_.advance(std::chrono::minutes(2));
    enqueue("\"good\"");
    scheduler_.advance(std::chrono::minutes(2));
  }
  std::map<std::string, int> letters() {
    std::map<std::string, int> found;
    const std::string prefix(kLetterPrefix);
    const auto it = store_.iterate(Family::kText, {prefix, storage::prefix_end(prefix)});
    for (it->seek(prefix); it->valid(); it->next()) {
      const auto letter = codec::parse_json(it->value());
      ++found[std::string(letter->find("requestContext")->string_or("requestId", ""))];
    }
    return found;
  }
  void expect_settled(const std::string& what) {
    scheduler_.advance(std::chrono::minutes(10));
    std::vector<std::string> problems;
    const auto checked =
        check_functions(store_, "/nonexistent", [&](std::string text) { problems.push_back(std::move(text)); });
    EXPECT_TRUE(checked.ok());
    EXPECT_THAT(problems, IsEmpty()) << what;
    EXPECT_EQ(store_.count(Family::kQueue), 0U) << what;
    EXPECT_THAT(queue_->status(), IsEmpty()) << what;
    const auto told = letters();
    for (const std::string& id : accepted_) {
      EXPECT_GE(runner_.runs[id], 1) << what;
      EXPECT_EQ(told.contains(id) ? told.at(id) : 0, 1) << what << ": " << id;
    }
    for (const auto& [id, count] : told) EXPECT_EQ(count, 1) << what << ": " << id;
  }

  MemoryStore store_;
  testing::VirtualScheduler scheduler_;
  telemetry::Registry registry_;
  delivery::Delivery delivery_;
  Letters letters_;
  Runner runner_{scheduler_};
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<AsyncQueue> queue_;
  int last_id_ = 0;
  std::vector<std::string> accepted_;
};

TEST_F(FaultLoopTest, AFailedWriteLosesAndDoublesNothing) {
  for (const auto outcome : {MemoryStore::Outcome::kNotApplied, MemoryStore::Outcome::kApplied}) {
    bool struck = true;
    std::uint64_t n = 0;
    for (; struck && n < 100; ++n) {
      store_.fail_write_after(n, outcome);
      work();
      struck = store_.has_failed();
      restart();
      expect_settled("write " + std::to_string(n));
    }
    EXPECT_GT(n, 6U);
    EXPECT_LT(n, 100U) << "the loop ends with a round without failure";
  }
}

TEST_F(FaultLoopTest, AFailedReadDelaysAndLosesNothing) {
  bool struck = true;
  std::uint64_t n = 0;
  for (; struck && n < 100; ++n) {
    store_.fail_read_after(n);
    work();
    struck = store_.has_failed();
    store_.heal();
    expect_settled("read " + std::to_string(n));  // without a restart
  }
  EXPECT_GT(n, 6U);
  EXPECT_LT(n, 100U);
}

TEST_F(FaultLoopTest, EventsReadAfterARestartAreNotLostToAFailedRead) {
  bool struck = true;
  std::uint64_t n = 0;
  for (; struck && n < 100; ++n) {
    accepted_.clear();
    enqueue("\"bad\"");
    scheduler_.run_ready();  // failed once: it has a state
    scheduler_.run_ready();
    queue_.reset();
    commits_ = std::make_unique<testing::TestCommits>(store_, scheduler_);
    queue_ = std::make_unique<AsyncQueue>(store_, *commits_, scheduler_, delivery_, registry_, runner_);
    store_.fail_read_after(n);
    const bool loaded = queue_->load().ok();
    scheduler_.advance(std::chrono::minutes(3));
    struck = store_.has_failed();
    store_.heal();
    if (!loaded) restart();
    expect_settled("read " + std::to_string(n));
  }
  EXPECT_GT(n, 3U);
  EXPECT_LT(n, 100U);
}

// As format 2 wrote them: without a qualifier.
TEST_F(FaultLoopTest, EventsOfTheOldFormAreUpgradedAndRun) {
  const std::string old_key("000000000000\0\1us-east-1\0\1f\0\1\0\0\0\0\0\0\3\xE8", 12 + 2 + 9 + 2 + 1 + 2 + 8);
  storage::WriteBatch batch;
  batch.put(Family::kQueue, "async/e/" + old_key, "{\"v\":1,\"id\":\"old\",\"t\":1767225600000}\n\"bad\"");
  batch.put(Family::kQueue, "async/s/" + old_key, "{\"v\":1,\"n\":1,\"next\":1767225600000}\n{}");
  ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());
  store_.fail_write_after(1);
  EXPECT_FALSE(qualify_events(store_).ok());
  store_.heal();
  ASSERT_TRUE(qualify_events(store_).ok()) << "again, after a stop in the middle";
  const std::uint64_t writes = store_.writes();
  ASSERT_TRUE(qualify_events(store_).ok());
  EXPECT_EQ(store_.writes(), writes) << "what has the present form stays";
  restart();
  accepted_ = {"old"};
  expect_settled("upgraded");
  EXPECT_EQ(runner_.runs["old"], 1) << "its first attempt counts";
  storage::WriteBatch damaged;
  damaged.put(Family::kQueue, "async/e/nonsense", "");
  ASSERT_TRUE(store_.write(damaged, storage::Store::Sync::kSynced).ok());
  EXPECT_THAT(qualify_events(store_).error().message(), HasSubstr("damaged asynchronous event"));
}

}  // namespace
}  // namespace millrace::functions
