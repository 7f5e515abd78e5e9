// The engine on real threads: control loop, pool, committer, and functions that answer from threads of their own.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "codec/json.h"
#include "platform/control_loop.h"
#include "storage/group_committer.h"
#include "storage/memory/memory_store.h"
#include "triggers/engine.h"
#include "triggers/settlement.h"

namespace millrace::triggers {
namespace {

constexpr const char* kStream = "arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/L";

class SharedStream final : public EventSource {
 public:
  Result<StreamInfo> describe(const std::string&) override { return StreamInfo{.shards = {{"shardId-1", 1, 0}}}; }

  Result<Page> read(const ReadRequest& request) override {
    const std::lock_guard lock(mutex_);
    Page page{.records = {}, .read_to = request.after, .at_tail = true, .ended = false, .lost = 0};
    auto it = records_.upper_bound(request.after);
    for (; it != records_.end() && page.records.size() < request.records_max; ++it) {
      page.read_to = it->first;
      if (lane_of(it->second.key_hash, request.lanes) == request.lane) page.records.push_back(it->second);
    }
    page.at_tail = it == records_.end();
    return page;
  }

  Backlog backlog(const std::string&, std::uint64_t, SequenceNumber after) override {
    const std::lock_guard lock(mutex_);
    return {.records = static_cast<std::uint64_t>(std::distance(records_.upper_bound(after), records_.end()))};
  }

  Subscription subscribe(const std::string&, std::function<void(std::uint64_t)> grew) override {
    auto held = std::make_shared<std::function<void(std::uint64_t)>>(std::move(grew));
    const std::lock_guard lock(mutex_);
    subscribers_.push_back(held);
    return held;
  }

  void add(SourceRecord record) {
    std::vector<std::shared_ptr<std::function<void(std::uint64_t)>>> held;
    {
      const std::lock_guard lock(mutex_);
      records_[record.record.sequence] = std::move(record);
      for (const auto& weak : subscribers_) held.push_back(weak.lock());
    }
    for (const auto& each : held) {
      if (each) (*each)(1);
    }
  }

 private:
  std::mutex mutex_;
  std::map<SequenceNumber, SourceRecord> records_;
  std::vector<std::weak_ptr<std::function<void(std::uint64_t)>>> subscribers_;
};

// Notes when each record arrived; every seventh call fails, each answer comes from another thread.
class SharedFunctions final : public Invoker {
 public:
  ~SharedFunctions() override {
    for (std::thread& thread : threads_) thread.join();
  }

  void invoke(InvokeRequest request, std::function<void(InvokeResult)> done) override {
    const auto event = codec::parse_json(request.payload);
    const std::lock_guard lock(mutex_);
    const Deadline now = std::chrono::steady_clock::now();
    for (const auto& record : event->find("Records")->as_array()) {
      arrived_.emplace(static_cast<int>(record.int_or("id", -1)), now);
    }
    const bool fails = fails_ && ++calls_ % 7 == 0;
    if (!fails) {
      for (const auto& record : event->find("Records")->as_array()) {
        acknowledged_.insert(static_cast<int>(record.int_or("id", -1)));
      }
    }
    InvokeResult result{.payload = "null", .function_error = fails ? "Unhandled" : ""};
    if (!fails_) return done(std::move(result));
    threads_.emplace_back([done = std::move(done), result = std::move(result)] { done(result); });
  }

  std::map<int, Deadline> arrived() {
    const std::lock_guard lock(mutex_);
    return arrived_;
  }
  std::size_t acknowledged() {
    const std::lock_guard lock(mutex_);
    return acknowledged_.size();
  }
  bool fails_ = false;  // set before use

 private:
  std::mutex mutex_;
  int calls_ = 0;
  std::map<int, Deadline> arrived_;
  std::set<int> acknowledged_;
  std::vector<std::thread> threads_;
};

class ThreadedEngine : public ::testing::Test {
 protected:
  ThreadedEngine() {
    loop.start();
    EXPECT_TRUE(engine->start().ok());
  }
  ~ThreadedEngine() override {
    engine.reset();
    loop.stop();
  }

  // Commits record `id` and waits until that is durable; when it became so.
  Deadline write(int id, std::uint64_t key) {
    std::mutex mutex;
    std::condition_variable ready;
    bool is_done = false;
    Deadline committed_at;
    storage::WriteBatch batch;
    batch.log(1, "");
    committer->submit(std::move(batch), [&](const storage::Committed& committed) {
      const Deadline at = std::chrono::steady_clock::now();
      stream.add({{committed.first_stamp, committed.time, "{\"id\":" + std::to_string(id) + "}"}, key});
      const std::lock_guard lock(mutex);
      committed_at = at;
      is_done = true;
      ready.notify_one();
    });
    std::unique_lock lock(mutex);
    ready.wait(lock, [&] { return is_done; });
    return committed_at;
  }

  void create(std::int64_t factor) {
    Mapping mapping;
    mapping.stream_arn = kStream;
    mapping.function_arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    mapping.starting_position = "TRIM_HORIZON";
    mapping.parallelization_factor = factor;
    ASSERT_TRUE(engine->create(mapping).ok());
  }

  // Waits, with a limit, until `condition` holds.
  template <typename Condition>
  bool eventually(Condition condition) {
    const Deadline limit = std::chrono::steady_clock::now() + Seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      std::this_thread::yield();
    }
    return true;
  }

  platform::ControlLoop loop;
  storage::MemoryStore store;
  std::unique_ptr<storage::Committer> committer = storage::Committer::start(store, loop).value();
  platform::SeededRandom random{7};
  telemetry::Registry registry;
  delivery::Delivery delivery;
  CommitSettlement settlement{*committer, delivery};
  SharedStream stream;
  SharedFunctions functions;
  std::unique_ptr<Engine> engine = std::make_unique<Engine>(
      Engine::Resources{loop, random, registry, store, *committer}, Ports{stream, functions, settlement});
};

TEST_F(ThreadedEngine, ACommitReachesTheFunctionWithinAMillisecond) {
  create(1);
  std::vector<double> microseconds;
  for (int id = 1; id <= 500; ++id) {
    const Deadline committed = write(id, 0);
    ASSERT_TRUE(eventually([&] { return functions.acknowledged() == static_cast<std::size_t>(id); }));
    microseconds.push_back(std::chrono::duration<double, std::micro>(functions.arrived()[id] - committed).count());
  }
  std::sort(microseconds.begin(), microseconds.end());
  std::cout << "commit to invoke: median " << microseconds[250] << " us, p99 " << microseconds[495] << " us\n";
  EXPECT_LT(microseconds[250], 20'000) << "a wake-up was lost, or something polls";
}

TEST_F(ThreadedEngine, WritersFunctionsAndStatusOnManyThreadsLoseNothing) {
  functions.fails_ = true;
  create(4);
  std::atomic<bool> stop = false;
  std::thread watcher([&] {
    while (!stop) {
      for (const Status& status : engine->statuses()) EXPECT_LE(status.totals.failures, status.totals.invocations);
    }
  });
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 3; ++writer) {
    writers.emplace_back([this, writer] {
      for (int i = 0; i < 100; ++i) write(writer * 100 + i, static_cast<std::uint64_t>(i));
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(eventually([&] { return functions.acknowledged() == 300; }));
  stop = true;
  watcher.join();
}

TEST_F(ThreadedEngine, StopsWhileFunctionsAreRunning) {
  functions.fails_ = true;
  create(4);
  for (int id = 0; id < 20; ++id) write(id, static_cast<std::uint64_t>(id));
  engine->stop();
  EXPECT_TRUE(engine->statuses().empty());
}

}  // namespace
}  // namespace millrace::triggers
