// Interventions and starts between two steps of the engine, and kills right after.
#include "triggers/engine_test.h"

namespace millrace::triggers {
namespace {

class EngineInterventions : public EngineTest {};

// While a rewind is being committed a read may come back; the position it would save must not end up behind the rewind.
TEST_F(EngineInterventions, RewindIsNotUndoneByAReadThatComesBackMeanwhile) {
  for (int steps = 0; steps < 12; ++steps) {
    const std::string arn = std::string(kStream) + "-" + std::to_string(steps);
    add_shard(arn, 1);
    Mapping mapping = options();
    mapping.stream_arn = arn;
    const std::string uuid = create(mapping);
    const int first = write(0, 1, arn);
    scheduler.run_ready();
    bool told = false;
    streams.streams[arn][1].closed = true;
    streams.tell(arn, 1);  // a read that finishes the shard
    for (int i = 0; i < steps; ++i) scheduler.run_one();
    engine->rewind({}, uuid, 0, "horizon", [&](const Result<void>& result) { told = result.ok(); });
    while (!told && scheduler.run_one()) {
    }
    ASSERT_TRUE(told);
    functions.calls.clear();
    restart();
    EXPECT_THAT(calls(), ElementsAre(Ids{first})) << "after " << steps << " steps";
  }
}

// The first skip is forgotten once its record is passed; a position that is only in memory then must not be lost.
TEST_F(EngineInterventions, SkipSurvivesAKillAfterAnotherSkip) {
  functions.hanging = {kFunction};
  const std::string uuid = create(options());
  write(0);
  scheduler.run_ready();
  const int second = write(0);
  scheduler.run_ready();
  const auto skipping = [&](int id) {
    engine->skip({}, uuid, {.shard = 1, .sequence = sequence_of[id]}, 0, "poison", [](const Result<void>&) {});
  };
  skipping(second);
  functions.let_go();
  scheduler.run_ready();
  const SequenceNumber later = sequence_of[second] + 1000;
  engine->skip({}, uuid, {.shard = 1, .sequence = later}, 0, "poison", [](const Result<void>&) {});
  scheduler.run_ready();
  restart();
  for (const Ids& ids : calls()) EXPECT_THAT(ids, ::testing::Not(::testing::Contains(second)));
}

// Before the first step after a start, too.
TEST_F(EngineInterventions, OptionsThatAreNotDurableYetDoNotTakeEffectAtTheStart) {
  Mapping mapping = options();
  mapping.enabled = false;
  mapping.batch_size = 1;
  const std::string uuid = create(mapping);
  write_many(2);
  update(uuid, [](Mapping& each) {
    each.enabled = true;
    each.batch_size = 1;
  });
  engine.reset();
  functions.calls.clear();
  functions.hanging = {kFunction};
  write_many(3);
  scheduler.run_ready();
  engine = std::make_unique<Engine>(Engine::Resources{scheduler, random, registry, store, commits},
                                    Ports{streams, functions, settlement});
  ASSERT_TRUE(engine->start().ok());
  commits.hold();
  ASSERT_TRUE(engine
                  ->update({}, uuid,
                           [](Mapping& each) -> Result<void> {
                             each.batch_size = 10;
                             return {};
                           })
                  .ok());
  scheduler.run_ready();
  ASSERT_EQ(calls().size(), 1u);
  EXPECT_EQ(calls()[0].size(), 1u) << "the batch size of the disk";
}

}  // namespace
}  // namespace millrace::triggers
