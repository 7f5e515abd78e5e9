// What tests of the engine share: streams, functions and a queue in memory, and an engine over a virtual scheduler.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/json.h"
#include "model/change_record.h"
#include "storage/memory/memory_store.h"
#include "telemetry/log.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "triggers/engine.h"
#include "triggers/settlement.h"

namespace millrace::triggers {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TestCommits;
using testing::VirtualScheduler;

constexpr const char* kStream = "arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/2026-01-01T00:00:00.000";
constexpr const char* kFunction = "arn:aws:lambda:us-east-1:000000000000:function:f";
constexpr const char* kQueue = "arn:aws:sqs:us-east-1:000000000000:failed";

// Streams in memory. A record's event names it: {"id":7,"eventName":"INSERT"}.
class FakeStreams final : public EventSource {
 public:
  struct Shard {
    ShardInfo info;
    std::vector<SourceRecord> records;
    bool closed = false;
  };

  Result<StreamInfo> describe(const std::string& arn) override {
    const auto stream = streams.find(arn);
    if (stream == streams.end()) return Error(kNotFound, "Stream not found: " + arn);
    StreamInfo out;
    for (const auto& [number, shard] : stream->second) out.shards.push_back(shard.info);
    return out;
  }

  Result<Page> read(const ReadRequest& request) override {
    ++reads;
    const auto stream = streams.find(request.stream_arn);
    if (stream == streams.end()) return Error(kNotFound, "gone");
    if (failing) return Error(kUnavailable, "the disk is on fire");
    if (stream->second.count(request.shard) == 0) return Error(kNotFound, "aged out");
    const Shard& shard = stream->second.at(request.shard);
    Page page{.records = {}, .read_to = request.after, .at_tail = true, .ended = shard.closed, .lost = lost};
    for (const SourceRecord& each : shard.records) {
      if (each.record.sequence <= request.after) continue;
      if (page.records.size() == request.records_max) {
        page.at_tail = page.ended = false;
        break;
      }
      page.read_to = each.record.sequence;
      if (lane_of(each.key_hash, request.lanes) == request.lane) page.records.push_back(each);
    }
    return page;
  }

  Backlog backlog(const std::string& arn, std::uint64_t shard, SequenceNumber after) override {
    Backlog out;
    for (const SourceRecord& each : streams[arn][shard].records) {
      if (each.record.sequence <= after) continue;
      ++out.records;
      out.oldest = std::min(out.oldest, each.record.created);
    }
    return out;
  }

  Subscription subscribe(const std::string& arn, std::function<void(std::uint64_t)> grew) override {
    auto held = std::make_shared<std::function<void(std::uint64_t)>>(std::move(grew));
    subscribers[arn].push_back(held);
    return held;
  }

  void tell(const std::string& arn, std::uint64_t shard) {
    for (const auto& weak : subscribers[arn]) {
      if (const auto held = weak.lock()) (*held)(shard);
    }
  }

  std::map<std::string, std::map<std::uint64_t, Shard>> streams;
  std::map<std::string, std::vector<std::weak_ptr<std::function<void(std::uint64_t)>>>> subscribers;
  bool failing = false;
  std::uint64_t lost = 0;
  int reads = 0;
};

using Ids = std::vector<int>;

// Functions that answer at once, or keep their callers waiting until let go.
class FakeFunctions final : public Invoker {
 public:
  using Function = std::function<InvokeResult(const Ids&)>;

  void invoke(InvokeRequest request, std::function<void(InvokeResult)> done) override {
    Ids ids;
    const auto event = codec::parse_json(request.payload);
    for (const auto& record : event->find("Records")->as_array()) {
      ids.push_back(static_cast<int>(record.int_or("id", -1)));
    }
    calls[request.function_arn].push_back(ids);
    if (hanging.count(request.function_arn) > 0) {
      waiting.push_back([this, request, ids, done] { done(answer(request.function_arn, ids)); });
      return;
    }
    done(answer(request.function_arn, ids));
  }

  InvokeResult answer(const std::string& arn, const Ids& ids) {
    const auto found = functions.find(arn);
    return found == functions.end() ? InvokeResult{.payload = "null"} : found->second(ids);
  }
  void let_go() {
    hanging.clear();
    for (auto& each : std::exchange(waiting, {})) each();
  }

  std::map<std::string, Function> functions;
  std::map<std::string, std::vector<Ids>> calls;
  std::set<std::string> hanging;
  std::vector<std::function<void()>> waiting;
};

inline InvokeResult throwing(const std::string& message = "boom") {
  return {.payload = R"({"errorType":"Error","errorMessage":")" + message + "\"}", .function_error = "Unhandled"};
}

class FakeQueue final : public delivery::Target {
 public:
  Result<void> check(std::string_view) override { return {}; }
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch& batch) override {
    if (refuses) return Error(delivery::kNoSuchTarget, "no such queue");
    if (message.body.size() > bytes_max) return Error(delivery::kUnsupportedTarget, "too large");
    batch.put(storage::Family::kQueue, std::string(arn) + "/" + std::to_string(staged++), message.body);
    return delivery::AfterCommit{};
  }
  bool refuses = false;
  std::size_t bytes_max = 1 << 20;
  int staged = 0;
};

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    telemetry::set_log_sink([](telemetry::Level, std::string_view, std::string_view) {});
    delivery.add("sqs", queue);
    add_shard(kStream, 1);
    restart();
  }
  ~EngineTest() override {
    engine.reset();
    telemetry::set_log_sink({});
  }

  // As after a kill: what was not committed is gone, and so is what was in flight.
  void restart() {
    engine.reset();
    functions.waiting.clear();
    scheduler.run_ready();
    engine = std::make_unique<Engine>(Engine::Resources{scheduler, random, registry, store, commits},
                                      Ports{streams, functions, settlement});
    ASSERT_TRUE(engine->start().ok());
    scheduler.run_ready();
  }

  void add_shard(const std::string& arn, std::uint64_t number, std::uint64_t parent = 0) {
    streams.streams[arn][number].info = {"shardId-0000000000000000000" + std::to_string(number), number, parent};
    streams.tell(arn, number);
  }
  void close_shard(std::uint64_t number) {
    streams.streams[kStream][number].closed = true;
    streams.tell(kStream, number);
  }

  // Commits a record; returns its id: 1, 2, 3...
  int write(std::uint64_t key = 0, std::uint64_t shard = 1, const std::string& arn = kStream,
            std::string event = "INSERT") {
    const int id = ++last_id;
    storage::WriteBatch batch;
    batch.log(shard, "");
    commits.submit(std::move(batch), [=, this](const storage::Committed& committed) {
      const std::string text = R"({"id":)" + std::to_string(id) + R"(,"eventName":")" + event + "\"}";
      streams.streams[arn][shard].records.push_back({{committed.first_stamp, scheduler.now(), text}, key});
      sequence_of[id] = committed.first_stamp;
      streams.tell(arn, shard);
    });
    return id;
  }
  void write_many(int count) {
    for (int i = 0; i < count; ++i) write();
  }

  Mapping options() {
    Mapping mapping;
    mapping.stream_arn = kStream;
    mapping.function_arn = kFunction;
    mapping.starting_position = "TRIM_HORIZON";
    return mapping;
  }
  std::string create(const Mapping& mapping) {
    auto changed = engine->create(mapping);
    EXPECT_TRUE(changed.ok());
    scheduler.run_ready();
    return changed->mapping.uuid;
  }
  void update(const std::string& uuid, const std::function<void(Mapping&)>& change) {
    ASSERT_TRUE(engine
                    ->update({}, uuid,
                             [&](Mapping& mapping) -> Result<void> {
                               change(mapping);
                               return {};
                             })
                    .ok());
    scheduler.run_ready();
  }
  const std::vector<Ids>& calls(const std::string& function = kFunction) { return functions.calls[function]; }
  std::vector<codec::Json> sent() {
    std::vector<codec::Json> out;
    for (int i = 0; i < queue.staged; ++i) {
      const auto text = store.get(storage::Family::kQueue, std::string(kQueue) + "/" + std::to_string(i)).value();
      if (text) out.push_back(*codec::parse_json(*text));
    }
    return out;
  }

  VirtualScheduler scheduler;
  storage::MemoryStore store;
  TestCommits commits{store, scheduler};
  platform::SeededRandom random{7};
  telemetry::Registry registry;
  delivery::Delivery delivery;
  FakeQueue queue;
  CommitSettlement settlement{commits, delivery};
  FakeStreams streams;
  FakeFunctions functions;
  std::map<int, SequenceNumber> sequence_of;
  int last_id = 0;
  std::unique_ptr<Engine> engine;
};

}  // namespace millrace::triggers
