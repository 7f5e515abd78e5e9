#include "triggers/engine_test.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace millrace::triggers {
namespace {

TEST_F(EngineTest, ACommitReachesTheFunctionWithoutTimePassing) {
  const std::string uuid = create(options());
  EXPECT_EQ(engine->last_result(uuid), "No records processed");
  const Time before = scheduler.now();
  write();
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1}));
  EXPECT_EQ(scheduler.now(), before);
  EXPECT_EQ(engine->last_result(uuid), "OK");
  EXPECT_EQ(engine->status(uuid)->shards[0].lanes[0].position, sequence_of[1]);
  EXPECT_EQ(engine->status(uuid)->shards[0].lanes[0].waiting, Waiting::kRecords);
}

TEST_F(EngineTest, LatestStartsWithTheRecordsAfterTheAnswer) {
  write_many(2);
  scheduler.run_ready();
  Mapping mapping = options();
  mapping.starting_position = "LATEST";
  ASSERT_TRUE(engine->create(mapping).ok());
  write();  // committed before the mapping is at work, but after the answer
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{3}));
}

TEST_F(EngineTest, AWindowFiresWhenTimeIsMoved) {
  Mapping mapping = options();
  mapping.window_s = 300;
  const std::string uuid = create(mapping);
  write_many(3);
  scheduler.run_ready();
  EXPECT_THAT(calls(), IsEmpty());
  EXPECT_EQ(scheduler.busy().count(), 0) << "waiting for a window is not busy";
  EXPECT_EQ(engine->status(uuid)->shards[0].lanes[0].waiting, Waiting::kWindow);
  scheduler.advance(Seconds(299));
  EXPECT_THAT(calls(), IsEmpty());
  scheduler.advance(Seconds(1));
  EXPECT_THAT(calls(), ElementsAre(Ids{1, 2, 3}));
}

TEST_F(EngineTest, AnUpdateIsInForceOnceItIsDurableAndNotWithTheOneBeforeIt) {
  const std::string uuid = create(options());
  commits.hold();
  update(uuid, [](Mapping& mapping) { mapping.batch_size = 7; });
  update(uuid, [](Mapping& mapping) { mapping.batch_size = 8; });
  EXPECT_EQ(engine->status(uuid)->mapping.batch_size, 100);
  commits.commit_one();
  scheduler.run_ready();
  EXPECT_EQ(engine->status(uuid)->mapping.batch_size, 7) << "a kill now would take the second one back";
  commits.commit_one();
  scheduler.run_ready();
  EXPECT_EQ(engine->status(uuid)->mapping.batch_size, 8);
}

TEST_F(EngineTest, AnExhaustedBatchAndThePositionAreOneCommit) {
  functions.functions[kFunction] = [](const Ids& ids) { return ids[0] == 1 ? throwing() : InvokeResult{}; };
  Mapping mapping = options();
  mapping.batch_size = 1;
  mapping.retries_max = 1;
  mapping.destination = kQueue;
  const std::string uuid = create(mapping);
  write_many(2);
  scheduler.advance(Seconds(10));
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{1}, Ids{2}));
  const std::vector<codec::Json> documents = sent();
  ASSERT_EQ(documents.size(), 1u);
  const codec::Json& request = *documents[0].find("requestContext");
  EXPECT_EQ(request.string_or("condition", ""), "RetryAttemptsExhausted");
  EXPECT_EQ(request.int_or("approximateInvokeCount", 0), 2);
  EXPECT_EQ(documents[0].find("DDBStreamBatchInfo")->string_or("startSequenceNumber", ""),
            model::sequence_number(sequence_of[1]));
  const Status status = *engine->status(uuid);
  EXPECT_EQ(status.totals.sent_to_destination, 1u);
  EXPECT_EQ(status.totals.invoked, 3u);
  EXPECT_EQ(status.totals.failed, 2u);
  EXPECT_EQ(status.totals.settled, 1u);
  EXPECT_EQ(status.totals.batch_records_max, 1u);
  EXPECT_EQ(status.latency.samples, 1u);
  EXPECT_EQ(status.last_error, "Error: boom");
  EXPECT_EQ(engine->last_result(uuid), "OK");
}

TEST_F(EngineTest, ADestinationThatRefusesIsCountedAndTheStreamGoesOn) {
  queue.refuses = true;
  functions.functions[kFunction] = [](const Ids& ids) { return ids[0] == 1 ? throwing() : InvokeResult{}; };
  Mapping mapping = options();
  mapping.batch_size = 1;
  mapping.retries_max = 0;
  mapping.destination = kQueue;
  const std::string uuid = create(mapping);
  write_many(2);
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{2}));
  EXPECT_EQ(engine->status(uuid)->totals.destination_failures, 1u);
  EXPECT_EQ(engine->status(uuid)->totals.dropped, 1u);
}

TEST_F(EngineTest, AHangingFunctionDelaysNobodyElse) {
  functions.hanging = {kFunction};
  Mapping mapping = options();
  create(mapping);
  mapping.function_arn = std::string(kFunction) + "2";
  create(mapping);
  write();
  scheduler.run_ready();
  write();
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1}));
  EXPECT_THAT(calls(mapping.function_arn), ElementsAre(Ids{1}, Ids{2}));
  EXPECT_GT(scheduler.busy().count(), 0) << "an invocation in flight is busy";
  functions.let_go();
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{2}));
  EXPECT_EQ(scheduler.busy().count(), 0);
}

TEST_F(EngineTest, ABlockedMappingIsNotBusyAndSaysWhy) {
  functions.functions[kFunction] = [](const Ids&) { return throwing("no such table"); };
  const std::string uuid = create(options());
  write();
  scheduler.advance(Milliseconds(300));
  EXPECT_EQ(scheduler.busy().count(), 0);
  const Status status = *engine->status(uuid);
  EXPECT_TRUE(status.is_blocked);
  EXPECT_EQ(status.last_result, "PROBLEM: Function call failed");
  EXPECT_EQ(status.last_error, "Error: no such table");
  const LaneStatus& lane = status.shards[0].lanes[0];
  EXPECT_EQ(lane.waiting, Waiting::kBackoff);
  EXPECT_GT(lane.until, scheduler.now());
  EXPECT_EQ(lane.batch_first, sequence_of[1]);
  EXPECT_EQ(lane.tries.failures, 2);
  EXPECT_EQ(lane.blocked_since, testing::kVirtualStart);
  EXPECT_EQ(status.shards[0].backlog_records, 1u);
}

TEST_F(EngineTest, AMissingFunctionCostsNoAttempt) {
  bool exists = false;
  functions.functions[kFunction] = [&](const Ids&) {
    return exists ? InvokeResult{} : InvokeResult{.outcome = Outcome::kRefused, .message = "Function not found"};
  };
  Mapping mapping = options();
  mapping.retries_max = 0;
  const std::string uuid = create(mapping);
  write();
  scheduler.advance(std::chrono::minutes(10));
  EXPECT_EQ(engine->last_result(uuid), "PROBLEM: Function not found");
  exists = true;
  scheduler.advance(std::chrono::minutes(2));
  EXPECT_EQ(engine->last_result(uuid), "OK");
  EXPECT_EQ(engine->status(uuid)->totals.dropped, 0u);
}

TEST_F(EngineTest, RecordsThatLeaveTheStreamEndRetrying) {
  functions.functions[kFunction] = [](const Ids&) { return throwing(); };
  Mapping mapping = options();
  mapping.destination = kQueue;
  create(mapping);
  write();
  scheduler.advance(std::chrono::hours(25));
  ASSERT_EQ(sent().size(), 1u);
  EXPECT_EQ(std::string(sent()[0].find("requestContext")->string_or("condition", "")), "RecordAgeExceeded");
}

TEST_F(EngineTest, ReportedFailuresResendOnlyTheRest) {
  functions.functions[kFunction] = [this](const Ids& ids) {
    if (ids.back() != 3 || ids.size() == 1) return InvokeResult{};
    return InvokeResult{.payload = R"({"batchItemFailures":[{"itemIdentifier":")" +
                                   model::sequence_number(sequence_of[3]) + "\"}]}"};
  };
  Mapping mapping = options();
  mapping.report_failures = true;
  mapping.window_s = 1;
  create(mapping);
  write_many(3);
  scheduler.advance(Seconds(2));
  EXPECT_THAT(calls(), ElementsAre(Ids{1, 2, 3}, Ids{3}));
}

TEST_F(EngineTest, AnAnswerIsReadAsItWasAskedFor) {
  functions.functions[kFunction] = [](const Ids&) { return InvokeResult{.payload = R"({"batchItemFailures":[{}]})"}; };
  functions.hanging = {kFunction};
  const std::string uuid = create(options());
  write();
  scheduler.run_ready();
  update(uuid, [](Mapping& mapping) { mapping.report_failures = true; });
  functions.let_go();
  scheduler.advance(Seconds(5));
  EXPECT_THAT(calls(), ElementsAre(Ids{1})) << "the invocation began without ReportBatchItemFailures";
}

TEST_F(EngineTest, WithoutTheResponseTypeTheBodyIsIgnored) {
  functions.functions[kFunction] = [](const Ids&) { return InvokeResult{.payload = R"({"batchItemFailures":[{}]})"}; };
  create(options());
  write();
  scheduler.advance(Seconds(5));
  EXPECT_THAT(calls(), ElementsAre(Ids{1}));
}

TEST_F(EngineTest, FilteredRecordsAreNeverInvokedAndThePositionPassesThem) {
  Mapping mapping = options();
  mapping.filters = {R"({"eventName":["REMOVE"]})"};
  mapping.batch_size = 2;
  const std::string uuid = create(mapping);
  for (int i = 0; i < 200; ++i) write();
  write(0, 1, kStream, "REMOVE");
  write();
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{201}));
  EXPECT_EQ(engine->status(uuid)->shards[0].lanes[0].position, sequence_of[202]);
  EXPECT_EQ(engine->status(uuid)->totals.filtered, 201u);
  update(uuid, [](Mapping& m) { m.filters.clear(); });
  write();
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{201}, Ids{203}));
}

TEST_F(EngineTest, RecordsThatNewFiltersLetPassHaveAllTheirAttempts) {
  functions.functions[kFunction] = [](const Ids&) { return throwing(); };
  Mapping mapping = options();
  mapping.filters = {R"({"eventName":["INSERT"]})"};
  mapping.destination = kQueue;
  const std::string uuid = create(mapping);
  write(0, 1, kStream, "REMOVE");
  write();
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{2}));
  update(uuid, [](Mapping& m) {
    m.filters.clear();
    m.retries_max = 0;
  });
  scheduler.advance(Seconds(60));
  EXPECT_THAT(calls(), ElementsAre(Ids{2}, Ids{1, 2})) << "the first record has never been sent before";
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(EngineTest, NewFiltersApplyToWhatWaitsForTheWindow) {
  Mapping mapping = options();
  mapping.window_s = 60;
  const std::string uuid = create(mapping);
  write();
  write(0, 1, kStream, "REMOVE");
  scheduler.advance(Seconds(10));
  update(uuid, [](Mapping& m) { m.filters = {R"({"eventName":["REMOVE"]})"}; });
  scheduler.advance(Seconds(120));
  EXPECT_THAT(calls(), ElementsAre(Ids{2}));
}

TEST_F(EngineTest, AnUpdatedFunctionGetsTheNextBatch) {
  functions.hanging = {kFunction};
  const std::string uuid = create(options());
  write();
  scheduler.run_ready();
  write();
  update(uuid, [](Mapping& m) { m.function_arn += "2"; });
  functions.let_go();
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1}));
  EXPECT_THAT(calls(std::string(kFunction) + "2"), ElementsAre(Ids{2}));
}

TEST_F(EngineTest, RecordsTrimmedBeforeTheyWereReadAreCounted) {
  const std::string uuid = create(options());
  write();
  scheduler.run_ready();
  update(uuid, [](Mapping& m) { m.enabled = false; });
  streams.lost = 3;
  update(uuid, [](Mapping& m) { m.enabled = true; });
  EXPECT_EQ(engine->status(uuid)->totals.lost, 3u);
  // TRIM_HORIZON starts at what is left: nothing is lost by that.
  Mapping fresh = options();
  fresh.function_arn += "2";
  EXPECT_EQ(engine->status(create(fresh))->totals.lost, 0u);
}

TEST_F(EngineTest, DisabledKeepsThePosition) {
  const std::string uuid = create(options());
  write();
  scheduler.run_ready();
  update(uuid, [](Mapping& m) { m.enabled = false; });
  write_many(2);
  scheduler.run_ready();
  restart();
  scheduler.advance(Seconds(60));
  EXPECT_THAT(calls(), ElementsAre(Ids{1}));
  EXPECT_EQ(engine->status(uuid)->shards[0].lanes[0].waiting, Waiting::kPaused);
  update(uuid, [](Mapping& m) { m.enabled = true; });
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{2, 3}));
}

TEST_F(EngineTest, ARestartContinuesBehindWhatWasSettled) {
  Mapping mapping = options();
  mapping.batch_size = 2;
  const std::string uuid = create(mapping);
  write_many(2);
  scheduler.run_ready();
  functions.hanging = {kFunction};
  write_many(2);
  scheduler.run_ready();
  functions.hanging.clear();
  restart();
  EXPECT_THAT(calls().front(), (Ids{1, 2}));
  std::vector<int> later;
  for (std::size_t i = 1; i < calls().size(); ++i) later.insert(later.end(), calls()[i].begin(), calls()[i].end());
  EXPECT_EQ(std::count(later.begin(), later.end(), 1), 0);
  EXPECT_EQ(later.back(), 4);
  EXPECT_EQ(engine->last_result(uuid), "OK");
}

TEST_F(EngineTest, ARestartGrantsNoNewAttempts) {
  functions.functions[kFunction] = [](const Ids&) { return throwing(); };
  Mapping mapping = options();
  mapping.retries_max = 3;
  mapping.destination = kQueue;
  create(mapping);
  write();
  scheduler.advance(Milliseconds(300));
  const std::size_t before = calls().size();
  ASSERT_EQ(before, 2u);
  restart();
  EXPECT_EQ(calls().size(), 2u) << "the back-off goes on";
  const auto uuid = engine->list({})[0].uuid;
  EXPECT_EQ(engine->status(uuid)->shards[0].lanes[0].blocked_since, testing::kVirtualStart) << "and says since when";
  scheduler.advance(Seconds(20));
  EXPECT_EQ(calls().size(), 4u);
  ASSERT_EQ(sent().size(), 1u);
  EXPECT_EQ(sent()[0].find("requestContext")->int_or("approximateInvokeCount", 0), 4);
}

TEST_F(EngineTest, LanesKeepTheOrderPerKeyAndAPoisonLaneBlocksNoOther) {
  functions.functions[kFunction] = [](const Ids& ids) { return ids[0] == 1 ? throwing() : InvokeResult{}; };
  Mapping mapping = options();
  mapping.batch_size = 1;
  mapping.parallelization_factor = 3;
  const std::string uuid = create(mapping);
  for (int i = 0; i < 9; ++i) write(static_cast<std::uint64_t>(i % 3));
  scheduler.run_ready();
  EXPECT_THAT(calls(), ::testing::UnorderedElementsAre(Ids{1}, Ids{2}, Ids{3}, Ids{5}, Ids{6}, Ids{8}, Ids{9}));
  // Fewer lanes: what the others have settled behind the poison does not come again.
  functions.calls.clear();
  functions.functions.clear();
  update(uuid, [](Mapping& m) { m.parallelization_factor = 2; });
  scheduler.advance(Seconds(10));
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{4}, Ids{7}));
  write(0);
  write(1);
  scheduler.run_ready();
  EXPECT_EQ(calls().size(), 5u);
}

TEST_F(EngineTest, ChildrenStartWhenTheirParentIsSettled) {
  functions.hanging = {kFunction};
  const std::string uuid = create(options());
  write(0, 1);
  scheduler.run_ready();
  add_shard(kStream, 2, 1);
  add_shard(kStream, 3, 1);
  close_shard(1);
  write(0, 2);
  write(0, 3);
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1}));
  EXPECT_EQ(engine->status(uuid)->shards[1].lanes[0].waiting, Waiting::kParent);
  functions.let_go();
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{2}, Ids{3}));
  restart();
  EXPECT_EQ(calls().size(), 3u) << "a finished parent stays finished";
  streams.streams[kStream].erase(1);
  write(0, 2);
  scheduler.run_ready();
  EXPECT_THAT(calls().back(), (Ids{4}));
}

TEST_F(EngineTest, ChildrenOfAShardThatAgedOutStartAtOnce) {
  const std::string uuid = create(options());
  update(uuid, [](Mapping& m) { m.enabled = false; });
  write(0, 1);
  add_shard(kStream, 2, 1);
  close_shard(1);
  scheduler.run_ready();
  streams.streams[kStream].erase(1);
  write(0, 2);
  update(uuid, [](Mapping& m) { m.enabled = true; });
  EXPECT_THAT(calls(), ElementsAre(Ids{2}));
}

TEST_F(EngineTest, ADeletedStreamIdles) {
  functions.hanging = {kFunction};
  create(options());
  write_many(1);
  scheduler.run_ready();
  streams.streams.erase(kStream);
  streams.tell(kStream, 1);
  functions.let_go();
  scheduler.advance(std::chrono::hours(1));
  EXPECT_EQ(calls().size(), 1u);
  EXPECT_EQ(scheduler.busy().count(), 0);
}

TEST_F(EngineTest, AReadThatFailsIsTriedAgain) {
  const std::string uuid = create(options());
  streams.failing = true;
  write();
  scheduler.run_ready();
  EXPECT_EQ(engine->last_result(uuid), "PROBLEM: the disk is on fire");
  streams.failing = false;
  scheduler.advance(Seconds(6));
  EXPECT_THAT(calls(), ElementsAre(Ids{1}));
}

TEST_F(EngineTest, ADeletedMappingLeavesNothingBehind) {
  functions.hanging = {kFunction};
  const std::string uuid = create(options());
  write();
  scheduler.run_ready();
  ASSERT_TRUE(engine->remove({}, uuid).ok());
  EXPECT_FALSE(engine->find({}, uuid).has_value());
  EXPECT_FALSE(engine->remove({}, uuid).ok());
  functions.let_go();
  scheduler.run_ready();
  EXPECT_EQ(scheduler.busy().count(), 0);
  const auto it = store.iterate(storage::Family::kCatalogue, {"mappings/", "mappings0"});
  it->seek("mappings/");
  EXPECT_FALSE(it->valid());
}

TEST_F(EngineTest, TheSameFunctionAndStreamConflict) {
  const std::string uuid = create(options());
  const auto again = engine->create(options());
  ASSERT_FALSE(again.ok());
  EXPECT_TRUE(again.error().is(kResourceConflict));
  EXPECT_EQ(again.error().message(),
            std::string("The event source arn (\" ") + kStream +
                " \") and function (\" f \") provided mapping already exists. Please update or delete the existing "
                "mapping with UUID " +
                uuid);
  Mapping alias = options();
  alias.function_arn += ":live";
  EXPECT_TRUE(engine->create(alias).ok());
  EXPECT_FALSE(engine->find({.account = "111111111111", .region = "us-east-1"}, uuid).has_value());
}

TEST_F(EngineTest, AThousandIdleMappingsReadNothing) {
  for (int i = 0; i < 1000; ++i) {
    Mapping mapping = options();
    mapping.function_arn += std::to_string(i);
    ASSERT_TRUE(engine->create(mapping).ok());
  }
  scheduler.run_ready();
  const int reads = streams.reads;
  scheduler.advance(std::chrono::hours(2));
  EXPECT_EQ(streams.reads, reads);
  EXPECT_EQ(scheduler.timer_count(), 0u);
}

TEST_F(EngineTest, DamagedRecordsAreRefusedAtStart) {
  create(options());
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, "mappings/zzz", "{");
  commits.submit(std::move(batch));
  scheduler.run_ready();
  Engine other(Engine::Resources{scheduler, random, registry, store, commits}, Ports{streams, functions, settlement});
  EXPECT_FALSE(other.start().ok());
}

// Random histories of the whole engine: every record of every key is acknowledged or sent, in order, across kills,
// updates, splits and functions that fail.
class EngineHistories : public EngineTest {
 protected:
  void run(std::uint64_t seed) {
    chance_.seed(seed);
    functions.functions[kFunction] = [this](const Ids& ids) { return answer(ids); };
    Mapping mapping = options();
    mapping.batch_size = 1 + pick(8);
    mapping.window_s = pick(2) == 0 ? 0 : pick(20);
    mapping.retries_max = pick(4);
    mapping.bisect = pick(2) == 0;
    mapping.report_failures = pick(2) == 0;
    mapping.tumbling_s = pick(3) == 0 ? 1 + pick(30) : 0;
    mapping.parallelization_factor = mapping.tumbling_s > 0 ? 1 : 1 + pick(4);
    mapping.destination = kQueue;
    uuid_ = create(mapping);
    for (int i = 0; i < 120; ++i) act();
    calm_ = true;
    functions.let_go();
    update(uuid_, [](Mapping& m) { m.enabled = true; });
    scheduler.advance(std::chrono::hours(1));
    check();
  }

  std::int64_t pick(std::uint64_t below) { return static_cast<std::int64_t>(chance_() % below); }

  void act() {
    const auto dice = pick(100);
    if (dice < 50) {
      const auto key = static_cast<std::uint64_t>(pick(6));
      key_of_[write(key, shard_)] = key;
    } else if (dice < 70) {
      scheduler.run_ready();
    } else if (dice < 85) {
      scheduler.advance(Milliseconds(pick(5000)));
    } else if (dice < 88) {
      functions.let_go();
    } else if (dice < 90) {
      functions.hanging = {kFunction};
    } else if (dice < 93) {
      restart();
    } else if (dice < 95) {
      scheduler.run_ready();
      add_shard(kStream, shard_ + 1, shard_);
      close_shard(shard_++);
    } else {
      update(uuid_, [this](Mapping& m) {
        m.enabled = pick(3) > 0;
        if (pick(5) == 0) m.tumbling_s = m.tumbling_s > 0 ? 0 : 1 + pick(30);
        m.parallelization_factor = m.tumbling_s > 0 ? 1 : 1 + pick(4);
        m.batch_size = 1 + pick(8);
      });
    }
  }

  InvokeResult answer(const Ids& ids) {
    const auto poison = std::find_if(ids.begin(), ids.end(), [](int id) { return id % 9 == 0; });
    if (!calm_ && pick(10) == 0) return InvokeResult{.outcome = Outcome::kThrottled};
    if (poison != ids.end()) return throwing();
    for (const int id : ids) acknowledged_.insert(id);
    return {.payload = R"({"state":{}})"};
  }

  void check() {
    std::set<int> ended = acknowledged_;
    std::map<SequenceNumber, int> ids;
    for (const auto& [id, sequence] : sequence_of) ids[sequence] = id;
    for (const codec::Json& document : sent()) {
      const codec::Json& info = *document.find("DDBStreamBatchInfo");
      if (info.find("startSequenceNumber") == nullptr) continue;  // a final invocation
      const auto from = *model::parse_sequence_number(info.string_or("startSequenceNumber", ""));
      const auto to = *model::parse_sequence_number(info.string_or("endSequenceNumber", ""));
      for (auto it = ids.lower_bound(from); it != ids.end() && it->first <= to; ++it) ended.insert(it->second);
    }
    for (int id = 1; id <= last_id; ++id) EXPECT_EQ(ended.count(id), 1u) << "record " << id << " was lost";
    // The first delivery of each record comes after the first of every earlier one of its key.
    std::map<std::uint64_t, int> reached;
    std::set<int> seen;
    for (const Ids& call : calls()) {
      for (const int id : call) {
        if (!seen.insert(id).second) continue;
        EXPECT_GT(id, reached[key_of_[id]]) << "out of order";
        reached[key_of_[id]] = id;
      }
    }
    EXPECT_EQ(scheduler.busy().count(), 0);
    const Status status = *engine->status(uuid_);
    for (const ShardStatus& shard : status.shards) EXPECT_EQ(shard.backlog_records, 0u);
  }

  std::mt19937_64 chance_;
  std::string uuid_;
  std::uint64_t shard_ = 1;
  bool calm_ = false;
  std::map<int, std::uint64_t> key_of_;
  std::set<int> acknowledged_;
};

class EngineHistoriesOf : public EngineHistories, public ::testing::WithParamInterface<int> {};

TEST_P(EngineHistoriesOf, LoseNothingAndKeepTheOrderPerKey) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  run(static_cast<std::uint64_t>(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Seeds, EngineHistoriesOf, ::testing::Range(1, 151));

TEST_F(EngineTest, HistoryAndTotalsSurviveARestart) {
  functions.functions[kFunction] = [](const Ids& ids) {
    auto out = ids[0] == 1 ? throwing("the index is down") : InvokeResult{.payload = "null"};
    out.duration = Milliseconds(500);
    out.memory_mb = 1024;
    return out;
  };
  Mapping mapping = options();
  mapping.batch_size = 1;
  mapping.retries_max = 1;
  mapping.destination = kQueue;
  const std::string uuid = create(mapping);
  write_many(2);
  scheduler.advance(Seconds(10));
  restart();
  const Status status = *engine->status(uuid);
  EXPECT_EQ(status.totals.invocations, 3u);
  EXPECT_EQ(status.totals.retries, 1u) << "the first record was sent twice";
  EXPECT_DOUBLE_EQ(status.totals.gb_seconds, 1.5);
  EXPECT_DOUBLE_EQ(status.totals.retry_gb_seconds, 0.5);
  EXPECT_EQ(status.totals.sent_to_destination, 1u);
  EXPECT_EQ(status.last_error, "Error: the index is down");
  const auto history = *engine->history(uuid, 10);
  std::vector<std::string> lines;
  for (const HistoryEntry& entry : history)
    lines.push_back(std::to_string(entry.number) + " " + entry.what + " " + entry.result + " " + entry.text);
  EXPECT_THAT(lines, ElementsAre("4 invoke ok ", "3 discard sent ", "2 invoke failed Error: the index is down",
                                 "1 invoke failed Error: the index is down"));
  EXPECT_EQ(history[1].first, sequence_of[1]);
  EXPECT_EQ(history[2].attempt, 2);
  EXPECT_EQ(history[2].duration, Milliseconds(500));
  EXPECT_EQ(history[2].shard, "shardId-00000000000000000001");
}

TEST_F(EngineTest, HistoryIsARingAndGoesWithItsMapping) {
  Mapping mapping = options();
  mapping.batch_size = 1;
  const std::string uuid = create(mapping);
  write_many(static_cast<int>(kHistoryMax) + 5);
  scheduler.run_ready();
  const auto history = *engine->history(uuid, 2 * kHistoryMax);
  ASSERT_EQ(history.size(), kHistoryMax);
  EXPECT_EQ(history.front().number, kHistoryMax + 5);
  EXPECT_EQ(history.back().number, 6u);
  ASSERT_TRUE(engine->remove({}, uuid).ok());
  scheduler.run_ready();
  EXPECT_THAT(*engine->history(uuid, 10), IsEmpty());
}

TEST_F(EngineTest, ThrottledAttemptsAreInTheHistoryAndWaitForConcurrency) {
  functions.functions[kFunction] = [](const Ids&) {
    return InvokeResult{.outcome = Outcome::kThrottled, .message = "Rate Exceeded."};
  };
  const std::string uuid = create(options());
  write();
  scheduler.run_ready();
  const Status status = *engine->status(uuid);
  EXPECT_EQ(status.shards[0].lanes[0].waiting, Waiting::kConcurrency);
  EXPECT_EQ(status.shards[0].lanes[0].last_error, "Rate Exceeded.");
  restart();
  const auto history = *engine->history(uuid, 10);
  ASSERT_FALSE(history.empty());
  EXPECT_EQ(history.back().result, "throttled");
  EXPECT_EQ(history.back().text, "Rate Exceeded.");
}

class Interventions : public EngineTest {
 protected:
  // What became of it, "" when it succeeded.
  std::string rewind(const std::string& uuid, SequenceNumber target) {
    const auto out = std::make_shared<std::string>("nothing was told");
    engine->rewind({}, uuid, target, "there",
                   [out](Result<void> result) { *out = result.ok() ? "" : result.error().message(); });
    scheduler.run_ready();
    return *out;
  }
  std::string skip(const std::string& uuid, int id, std::uint64_t key = 0) {
    const auto out = std::make_shared<std::string>("nothing was told");
    engine->skip({}, uuid, {.shard = 1, .sequence = sequence_of[id]}, key, "a poison record",
                 [out](Result<void> result) { *out = result.ok() ? "" : result.error().message(); });
    scheduler.run_ready();
    return *out;
  }
  Result<Tried> attempt(const std::string& uuid, const std::string& function = "") {
    Result<Tried> out = Error(kInternalError, "nothing was told");
    engine->try_batch({}, uuid, function, [&](Result<Tried> result) { out = std::move(result); });
    scheduler.run_ready();
    return out;
  }
  static FakeFunctions::Function failing_on(int bad) {
    return [bad](const Ids& ids) {
      return std::find(ids.begin(), ids.end(), bad) != ids.end() ? throwing() : InvokeResult{.payload = "null"};
    };
  }
};

TEST_F(Interventions, RewindSendsWhatWasSettledOnceMore) {
  const std::string uuid = create(options());
  write_many(3);
  scheduler.run_ready();
  EXPECT_EQ(rewind(uuid, sequence_of[1]), "");
  EXPECT_THAT(calls(), ElementsAre(Ids{1, 2, 3}, Ids{2, 3}));
  EXPECT_EQ(rewind(uuid, 0), "");
  EXPECT_THAT(calls().back(), ElementsAre(1, 2, 3));
  EXPECT_EQ((*engine->history(uuid, 2))[1].what, "rewind");
  EXPECT_EQ(engine->status(uuid)->totals.invocations, 3u) << "sums go on";
  EXPECT_EQ(rewind(uuid, sequence_of[3] + 5), "nothing to rewind: no shard has been settled beyond that");
  EXPECT_EQ(rewind("nothing", 0), "The resource you requested does not exist.");
  write();
  scheduler.run_ready();
  EXPECT_THAT(calls().back(), ElementsAre(4)) << "and it goes on as before";
}

TEST_F(Interventions, RewindReadsParentsBeforeChildrenAgain) {
  const std::string uuid = create(options());
  write_many(2);
  scheduler.run_ready();
  add_shard(kStream, 2, 1);
  close_shard(1);
  scheduler.run_ready();
  write(0, 2);
  scheduler.run_ready();
  ASSERT_THAT(calls(), ElementsAre(Ids{1, 2}, Ids{3}));
  EXPECT_EQ(rewind(uuid, 0), "");
  EXPECT_THAT(calls(), ElementsAre(Ids{1, 2}, Ids{3}, Ids{1, 2}, Ids{3}));
}

TEST_F(Interventions, RewindOfAMappingThatStartedWithLatestGoesBehindItsStart) {
  write_many(2);
  scheduler.run_ready();
  Mapping mapping = options();
  mapping.starting_position = "LATEST";
  const std::string uuid = create(mapping);
  write();
  scheduler.run_ready();
  EXPECT_EQ(rewind(uuid, 0), "");
  EXPECT_THAT(calls(), ElementsAre(Ids{3}, Ids{1, 2, 3}));
}

TEST_F(Interventions, RewindWaitsForTheInvocationInFlightAndIsLostWithAKillBefore) {
  functions.hanging = {kFunction};
  const std::string uuid = create(options());
  write();
  scheduler.run_ready();
  functions.hanging = {};
  functions.let_go();
  scheduler.run_ready();
  functions.hanging = {kFunction};
  write();
  scheduler.run_ready();
  EXPECT_EQ(rewind(uuid, 0), "nothing was told");
  EXPECT_EQ(skip(uuid, 2), "another change of this mapping waits for the invocation that runs");
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{2}));
  restart();
  functions.let_go();
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{2}, Ids{2})) << "killed before: nothing has happened";
  functions.hanging = {kFunction};
  write();
  scheduler.run_ready();
  bool told = false;
  engine->rewind({}, uuid, 0, "horizon", [&](const Result<void>& result) { told = result.ok(); });
  scheduler.run_ready();
  EXPECT_FALSE(told);
  functions.let_go();
  scheduler.run_ready();
  EXPECT_TRUE(told);
  EXPECT_THAT(calls().back(), ElementsAre(1, 2, 3));
}

TEST_F(Interventions, RewindSurvivesAKillOnceItIsTold) {
  const std::string uuid = create(options());
  write_many(2);
  scheduler.run_ready();
  functions.hanging = {kFunction};
  EXPECT_EQ(rewind(uuid, 0), "");
  restart();
  functions.let_go();
  scheduler.run_ready();
  EXPECT_THAT(calls().back(), ElementsAre(1, 2));
}

TEST_F(Interventions, DeletingAMappingEndsWhatWaits) {
  functions.hanging = {kFunction};
  const std::string uuid = create(options());
  write();
  scheduler.run_ready();
  std::string told;
  engine->rewind({}, uuid, 0, "horizon", [&](const Result<void>& result) { told = result.error().message(); });
  scheduler.run_ready();
  ASSERT_TRUE(engine->remove({}, uuid).ok());
  scheduler.run_ready();
  EXPECT_THAT(told, HasSubstr("nothing was changed"));
}

TEST_F(Interventions, SkipLetsOneRecordGoAndTheOthersArrive) {
  functions.functions[kFunction] = failing_on(2);
  const std::string uuid = create(options());
  write_many(3);
  scheduler.advance(Seconds(5));
  EXPECT_TRUE(engine->status(uuid)->is_blocked);
  EXPECT_EQ(skip(uuid, 2), "");
  scheduler.advance(Seconds(60));
  EXPECT_THAT(calls().back(), ElementsAre(1, 3));
  const Status status = *engine->status(uuid);
  EXPECT_FALSE(status.is_blocked);
  EXPECT_EQ(status.totals.skipped, 1u);
  EXPECT_EQ(status.shards[0].lanes[0].position, sequence_of[3]);
  EXPECT_EQ((*engine->history(uuid, 2))[1].text, "a poison record");
  EXPECT_EQ(skip(uuid, 2), "record " + model::sequence_number(sequence_of[2]) + " is settled already");
}

TEST_F(Interventions, SkipOfTheOnlyRecordOfABatchAndOfOneToComeSurvivesAKill) {
  functions.functions[kFunction] = failing_on(1);
  Mapping mapping = options();
  mapping.batch_size = 1;
  const std::string uuid = create(mapping);
  write_many(4);
  scheduler.advance(Seconds(5));
  EXPECT_EQ(skip(uuid, 3), "");
  EXPECT_EQ(skip(uuid, 3), "record " + model::sequence_number(sequence_of[3]) + " is to be skipped already");
  EXPECT_EQ(skip(uuid, 1), "");
  restart();
  scheduler.advance(Seconds(60));
  EXPECT_THAT(calls().back(), ElementsAre(4));
  EXPECT_EQ(std::count(calls().begin(), calls().end(), Ids{2}), 1);
  EXPECT_EQ(std::count(calls().begin(), calls().end(), Ids{3}), 0);
}

TEST_F(Interventions, TryInvokesOnceAndChangesNothing) {
  functions.functions[kFunction] = failing_on(2);
  const std::string uuid = create(options());
  EXPECT_EQ(attempt(uuid).error().message(), "no batch of this mapping is failing: nothing to try");
  write_many(3);
  scheduler.advance(Seconds(5));
  const Status before = *engine->status(uuid);
  const std::size_t invoked = calls().size();
  const auto tried = attempt(uuid);
  ASSERT_TRUE(tried.ok()) << tried.error().message();
  EXPECT_EQ(tried->records, 3u);
  EXPECT_EQ(tried->done, 0u);
  EXPECT_EQ(tried->result.function_error, "Unhandled");
  EXPECT_EQ(calls().size(), invoked + 1);
  EXPECT_THAT(calls().back(), ElementsAre(1, 2, 3));
  const auto other = attempt(uuid, "arn:aws:lambda:us-east-1:000000000000:function:fixed");
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->done, 3u);
  EXPECT_THAT(calls("arn:aws:lambda:us-east-1:000000000000:function:fixed"), ElementsAre(Ids{1, 2, 3}));
  const Status after = *engine->status(uuid);
  EXPECT_EQ(after.totals, before.totals);
  EXPECT_EQ(after.shards[0].lanes[0].tries, before.shards[0].lanes[0].tries);
  EXPECT_EQ(after.shards[0].lanes[0].position, before.shards[0].lanes[0].position);
  const auto history = *engine->history(uuid, 2);
  EXPECT_EQ(history[0].what + " " + history[0].result + " " + history[0].function, "try ok fixed");
  EXPECT_EQ(history[1].what + " " + history[1].result + " " + history[1].text, "try failed Error: boom");
}

TEST_F(Interventions, TryWorksWhileTheMappingIsPaused) {
  functions.functions[kFunction] = failing_on(2);
  const std::string uuid = create(options());
  write_many(3);
  scheduler.advance(Seconds(5));
  ASSERT_TRUE(engine->set_enabled({}, uuid, false).ok());
  scheduler.run_ready();
  const auto tried = attempt(uuid);
  ASSERT_TRUE(tried.ok()) << tried.error().message();
  EXPECT_EQ(tried->first, sequence_of[1]);
  EXPECT_EQ(tried->last, sequence_of[3]);
}

TEST_F(Interventions, ReplaySendsARangeAndMovesNothing) {
  Mapping mapping = options();
  mapping.batch_size = 2;
  const std::string uuid = create(mapping);
  write_many(2);
  add_shard(kStream, 2, 1);
  close_shard(1);
  for (int i = 0; i < 3; ++i) write(0, 2);
  scheduler.run_ready();
  const auto before = calls().size();
  const std::string other = "arn:aws:lambda:us-east-1:000000000000:function:other";
  const auto replay =
      engine->replay({}, uuid, {.function_arn = other, .after = sequence_of[1], .last = sequence_of[4]});
  ASSERT_TRUE(replay.ok());
  scheduler.run_ready();
  EXPECT_THAT(calls(other), ElementsAre(Ids{2}, Ids{3, 4}));
  EXPECT_EQ(calls().size(), before);
  EXPECT_TRUE((*replay)->progress().finished);
  EXPECT_EQ((*replay)->progress().stopped, "");
  EXPECT_EQ((*replay)->progress().records, 3u);
  EXPECT_EQ(engine->status(uuid)->shards[1].lanes[0].position, sequence_of[5]);
  EXPECT_FALSE(engine->replay({}, "nothing", {}).ok());
}

TEST_F(Interventions, ReplayStopsAtWhatFailsOrLeavesItOut) {
  functions.functions[kFunction] = [](const Ids&) { return InvokeResult{.payload = "null"}; };
  Mapping mapping = options();
  mapping.batch_size = 1;
  const std::string uuid = create(mapping);
  write_many(3);
  scheduler.run_ready();
  functions.functions[kFunction] = failing_on(2);
  const std::size_t before = calls().size();
  const auto strict = *engine->replay({}, uuid, {.after = 0, .last = sequence_of[3], .retries = 1});
  scheduler.advance(Seconds(60));
  EXPECT_EQ(calls().size(), before + 3) << "1, 2, and 2 again";
  EXPECT_THAT(strict->progress().stopped, HasSubstr("failed: Error: boom"));
  EXPECT_EQ(strict->progress().position, sequence_of[1]);
  const auto lenient =
      *engine->replay({}, uuid, {.after = 0, .last = sequence_of[3], .retries = 0, .keep_going = true});
  scheduler.advance(Seconds(60));
  EXPECT_THAT(calls().back(), ElementsAre(3));
  EXPECT_EQ(lenient->progress().stopped, "");
  EXPECT_EQ(lenient->progress().failed, 1u);
  EXPECT_EQ(lenient->progress().records, 2u);
}

TEST_F(Interventions, FailureDocumentsCarryThePayloadWhenAskedTo) {
  functions.functions[kFunction] = failing_on(1);
  Mapping mapping = options();
  mapping.retries_max = 0;
  mapping.destination = kQueue;
  const std::string uuid = create(mapping);
  write();
  scheduler.run_ready();
  update(uuid, [](Mapping& changed) { changed.payload_in_failures = true; });
  restart();
  functions.functions[kFunction] = failing_on(2);
  write();
  scheduler.run_ready();
  const std::vector<codec::Json> documents = sent();
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].find("payload"), nullptr) << "AWS's document is exact by default";
  EXPECT_EQ(documents[1].string_or("payload", ""), R"({"Records":[{"id":2,"eventName":"INSERT"}]})");
}

TEST_F(Interventions, APayloadThatIsTooLargeIsLeftOut) {
  queue.bytes_max = 1000;
  functions.functions[kFunction] = failing_on(1);
  Mapping mapping = options();
  mapping.retries_max = 0;
  mapping.destination = kQueue;
  mapping.payload_in_failures = true;
  create(mapping);
  write(0, 1, kStream, std::string(1000, 'x'));
  scheduler.run_ready();
  const std::vector<codec::Json> documents = sent();
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].find("payload"), nullptr);
}

}  // namespace
}  // namespace millrace::triggers
