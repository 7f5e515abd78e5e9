// Mappings over shards that are closed, split and forgotten, and over changes of their options in the middle of work.
#include <string>
#include <vector>

#include "triggers/decisions.h"
#include "triggers/engine_test.h"

namespace millrace::triggers {
namespace {

TEST_F(EngineTest, LatestReadsNothingOfShardsThatWereClosedBeforeAndAllOfTheirChildren) {
  write_many(2);
  scheduler.run_ready();
  add_shard(kStream, 2, 1);
  close_shard(1);
  write(0, 2);
  scheduler.run_ready();
  Mapping mapping = options();
  mapping.starting_position = "LATEST";
  const std::string uuid = create(mapping);
  EXPECT_THAT(calls(), IsEmpty());
  write(0, 2);
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{4}));
  // A child is read from its beginning, though the mapping hears of it late.
  update(uuid, [](Mapping& m) { m.enabled = false; });
  add_shard(kStream, 3, 2);
  close_shard(2);
  write(0, 3);
  write(0, 3);
  scheduler.run_ready();
  update(uuid, [](Mapping& m) { m.enabled = true; });
  EXPECT_THAT(calls(), ElementsAre(Ids{4}, Ids{5, 6}));
}

TEST_F(EngineTest, LatestIsTheMomentOfTheCreationAlsoAfterARestart) {
  write_many(2);
  scheduler.run_ready();
  Mapping mapping = options();
  mapping.starting_position = "LATEST";
  mapping.enabled = false;
  const std::string uuid = create(mapping);
  EXPECT_EQ(engine->find({}, uuid)->start_after, commits.next_stamp() - 1);
  EXPECT_GE(engine->find({}, uuid)->start_after, sequence_of[2]);
  write(0, 1);
  scheduler.run_ready();
  restart();
  EXPECT_EQ(engine->find({}, uuid)->start_after, sequence_of[3] - 1);
  write(0, 1);
  update(uuid, [](Mapping& m) { m.enabled = true; });
  EXPECT_THAT(calls(), ElementsAre(Ids{3, 4}));
}

TEST_F(EngineTest, ATumblingWindowEndsWithItsShardAndTheChildStartsAnew) {
  std::vector<std::string> states;
  Mapping mapping = options();
  mapping.tumbling_s = 60;
  functions.functions[kFunction] = [](const Ids& ids) {
    return InvokeResult{.payload = R"({"state":{"last":)" + std::to_string(ids.empty() ? -1 : ids.back()) + "}}"};
  };
  const std::string uuid = create(mapping);
  write(0, 1);
  scheduler.run_ready();
  EXPECT_EQ(engine->status(uuid)->shards[0].lanes[0].waiting, Waiting::kTumbling);
  EXPECT_EQ(scheduler.busy().count(), 0) << "waiting for a window is not busy";
  add_shard(kStream, 2, 1);
  close_shard(1);
  write(0, 2);
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{}, Ids{2}));
  scheduler.advance(Seconds(60));
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{}, Ids{2}, Ids{}));
  EXPECT_EQ(engine->status(uuid)->totals.settled, 2u);
  EXPECT_EQ(engine->status(uuid)->totals.invocations, 4u);
  EXPECT_EQ(engine->last_result(uuid), "OK");
}

TEST_F(EngineTest, AFinalInvocationWithoutAStateFailsAndIsReported) {
  functions.functions[kFunction] = [](const Ids& ids) {
    return InvokeResult{.payload = ids.empty() ? "null" : R"({"state":{}})"};
  };
  Mapping mapping = options();
  mapping.tumbling_s = 60;
  mapping.retries_max = 1;
  mapping.destination = kQueue;
  const std::string uuid = create(mapping);
  write(0, 1);
  scheduler.advance(Seconds(70));
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{}, Ids{}));
  ASSERT_EQ(sent().size(), 1u);
  EXPECT_EQ(sent()[0].find("DDBStreamBatchInfo")->as_object().size(), 2u);
  EXPECT_TRUE(sent()[0].find("timeWindowInfo")->bool_or("isFinalInvokeForWindow", false));
  EXPECT_THAT(engine->status(uuid)->last_error, HasSubstr("state"));
  restart();
  scheduler.advance(Seconds(70));
  EXPECT_EQ(calls().size(), 3u) << "the window is over for good";
}

TEST_F(EngineTest, ARestartContinuesAnOpenBatchingWindow) {
  Mapping mapping = options();
  mapping.window_s = 300;
  create(mapping);
  write(0, 1);
  scheduler.advance(Seconds(200));
  restart();
  scheduler.advance(Seconds(99));
  EXPECT_THAT(calls(), IsEmpty());
  scheduler.advance(Seconds(1));
  EXPECT_THAT(calls(), ElementsAre(Ids{1}));
}

TEST_F(EngineTest, LanesPauseUntilAllAreQuietBeforeTheirNumberChanges) {
  functions.hanging = {kFunction};
  Mapping mapping = options();
  mapping.batch_size = 1;
  mapping.parallelization_factor = 2;
  const std::string uuid = create(mapping);
  write(0, 1);  // 1: the first lane
  scheduler.run_ready();
  ASSERT_THAT(calls(), ElementsAre(Ids{1}));
  update(uuid, [](Mapping& m) { m.parallelization_factor = 3; });
  // A record of the other lane, which is idle: under the new arrangement its key may share a lane with that in flight.
  write(1, 1);
  write(0, 1);
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1})) << "nothing starts while the old arrangement is at work";
  const Status status = *engine->status(uuid);
  EXPECT_EQ(status.shards[0].lanes.size(), 2u);
  EXPECT_EQ(status.shards[0].lanes[1].waiting, Waiting::kPaused);
  functions.let_go();
  scheduler.run_ready();
  EXPECT_EQ(engine->status(uuid)->shards[0].lanes.size(), 3u);
  EXPECT_THAT(calls(), ::testing::UnorderedElementsAre(Ids{1}, Ids{2}, Ids{3}));
}

TEST_F(EngineTest, AnOpenTumblingWindowIsEndedWhenItsMappingGetsLanesInstead) {
  functions.functions[kFunction] = [](const Ids&) { return InvokeResult{.payload = R"({"state":{}})"}; };
  Mapping mapping = options();
  mapping.tumbling_s = 600;
  const std::string uuid = create(mapping);
  write(0, 1);
  scheduler.run_ready();
  update(uuid, [](Mapping& m) {
    m.tumbling_s = 0;
    m.parallelization_factor = 2;
  });
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{})) << "its state is handed over before anything else";
  write(1, 1);
  scheduler.run_ready();
  EXPECT_THAT(calls(), ElementsAre(Ids{1}, Ids{}, Ids{2}));
}

TEST_F(EngineTest, ARefusedDocumentLeavesNothingBehindButThePosition) {
  // A target that has staged half of its entries before it refuses.
  class HalfTarget final : public delivery::Target {
   public:
    Result<void> check(std::string_view) override { return {}; }
    Result<delivery::AfterCommit> stage(std::string_view, const delivery::Message&,
                                        storage::WriteBatch& batch) override {
      batch.put(storage::Family::kQueue, "half", "x");
      return Error(delivery::kNoSuchTarget, "no such topic");
    }
  };
  HalfTarget half;
  delivery.add("sns", half);
  functions.functions[kFunction] = [](const Ids&) { return throwing(); };
  Mapping mapping = options();
  mapping.retries_max = 0;
  mapping.destination = "arn:aws:sns:us-east-1:000000000000:t";
  const std::string uuid = create(mapping);
  write(0, 1);
  scheduler.run_ready();
  EXPECT_EQ(engine->status(uuid)->totals.destination_failures, 1u);
  EXPECT_FALSE(store.get(storage::Family::kQueue, "half").value().has_value());
  functions.functions.clear();
  restart();
  EXPECT_EQ(calls().size(), 1u) << "the position is saved all the same";
}

TEST_F(EngineTest, EveryOptionMayChangeWhileABatchIsInFlight) {
  functions.hanging = {kFunction};
  Mapping mapping = options();
  mapping.batch_size = 2;
  mapping.destination = kQueue;
  const std::string uuid = create(mapping);
  write_many(1);
  scheduler.run_ready();
  ASSERT_THAT(calls(), ElementsAre(Ids{1}));
  functions.functions[kFunction] = [](const Ids&) { return throwing(); };
  update(uuid, [](Mapping& m) { m.retries_max = 1; });
  update(uuid, [](Mapping& m) { m.bisect = true; });
  update(uuid, [](Mapping& m) { m.report_failures = true; });
  update(uuid, [](Mapping& m) { m.batch_size = 3; });
  update(uuid, [](Mapping& m) { m.record_age_max_s = 600; });
  update(uuid, [](Mapping& m) { m.window_s = 5; });
  write_many(3);
  functions.let_go();
  scheduler.advance(Seconds(30));
  // [1] was in flight; its second attempt is the last; then three that fail, are split and given up one by one.
  EXPECT_THAT(calls(),
              ElementsAre(Ids{1}, Ids{1}, Ids{2, 3, 4}, Ids{2}, Ids{2}, Ids{3, 4}, Ids{3}, Ids{3}, Ids{4}, Ids{4}));
  EXPECT_EQ(sent().size(), 4u);
}

TEST_F(EngineTest, TheEnginesDecisionsAreCounted) {
  DecisionCounts counts{};
  const CountDecisions counting(counts);
  functions.functions[kFunction] = [](const Ids& ids) { return ids[0] == 1 ? throwing() : InvokeResult{}; };
  Mapping mapping = options();
  mapping.batch_size = 1;
  mapping.parallelization_factor = 2;
  mapping.retries_max = 2;
  const std::string uuid = create(mapping);
  for (int i = 0; i < 6; ++i) write(static_cast<std::uint64_t>(i % 2), 1);
  scheduler.run_ready();
  update(uuid, [](Mapping& m) { m.parallelization_factor = 1; });
  add_shard(kStream, 2, 1);
  close_shard(1);
  scheduler.advance(Seconds(30));
  streams.streams[kStream].erase(1);
  write(0, 2);
  add_shard(kStream, 3, 2);
  scheduler.run_ready();
  for (const Decision decision : {Decision::kChildWaits, Decision::kChildStarts, Decision::kOrphanStarts,
                                  Decision::kShardVanished, Decision::kLanesRearrangedBehindPoison}) {
    EXPECT_GT(counts[static_cast<std::size_t>(decision)], 0u) << name_of(decision);
  }
  update(uuid, [](Mapping& m) { m.parallelization_factor = 5; });
  EXPECT_GT(counts[static_cast<std::size_t>(Decision::kLanesRearranged)], 0u);
}

}  // namespace
}  // namespace millrace::triggers
