#include "triggers/internal/interventions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::triggers::internal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SavedLane lane_at(SequenceNumber settled) { return {.settled = settled, .planned = {}}; }

Positions two_lanes(SequenceNumber first, SequenceNumber second) {
  Positions out;
  out[1].lanes = {lane_at(first), lane_at(second)};
  return out;
}

TEST(Rewind, MovesOnlyLanesThatAreFurther) {
  Mapping mapping;
  Positions positions = two_lanes(10, 30);
  positions[1].lanes[1].planned = {{.last = 40, .tries = {.invocations = 2, .failures = 2}}};
  EXPECT_EQ(rewind(mapping, positions, 20), 1u);
  EXPECT_EQ(positions[1].lanes[0], lane_at(10));
  EXPECT_EQ(positions[1].lanes[1], lane_at(20)) << "what was tried there is forgotten";
  EXPECT_EQ(rewind(mapping, positions, 20), 0u);
}

TEST(Rewind, ReadsFinishedShardsAgainAndForgetsWhatOtherLanesHadSettled) {
  Mapping mapping;
  mapping.start_after = 50;
  Positions positions = two_lanes(0, 0);
  positions[1].finished = true;
  positions[2].lanes = {lane_at(60)};
  positions[2].previous = {{5, 70}};
  EXPECT_EQ(rewind(mapping, positions, 20), 2u);
  EXPECT_FALSE(positions[1].finished);
  EXPECT_EQ(positions[1].lanes[0], lane_at(20));
  EXPECT_THAT(positions[2].previous, ElementsAre(ElementsAre(5, 20)));
  EXPECT_EQ(mapping.start_after, 20u) << "shards that have not begun start there as well";
}

// Else records that had never been tried would be given up with the attempts of their neighbours.
TEST(Rewind, PlansAnewWhereRecordsThatOtherLanesHadSettledComeBetween) {
  Mapping mapping;
  Positions positions = two_lanes(10, 10);
  positions[1].previous = {{10, 60}};
  const Tries tired{.invocations = 3, .failures = 3};
  positions[1].lanes[1].planned = {{.last = 50, .tries = tired}, {.last = 15, .tries = tired}};
  EXPECT_EQ(rewind(mapping, positions, 20), 1u);
  EXPECT_EQ(positions[1].lanes[1].settled, 10u) << "it is not moved forward";
  EXPECT_THAT(positions[1].lanes[1].planned, ElementsAre(Planned{.last = 15, .tries = tired}));
  EXPECT_THAT(positions[1].previous, ElementsAre(ElementsAre(10, 20)));
  EXPECT_EQ(rewind(mapping, positions, 20), 0u);
}

TEST(Skip, GivesOnlyTheBatchAroundTheRecordItsAttemptsAgain) {
  Mapping mapping;
  Positions positions = two_lanes(10, 10);
  const Tries tired{.invocations = 3, .failures = 3};
  // back() comes next: (10, 15], then (15, 20].
  positions[1].lanes[1].planned = {{.last = 20, .tries = tired}, {.last = 15, .tries = tired}};
  ASSERT_TRUE(skip(mapping, positions, {.shard = 1, .sequence = 16}, 1).ok());
  EXPECT_EQ(positions[1].lanes[1].planned[0].tries, Tries{});
  EXPECT_EQ(positions[1].lanes[1].planned[1].tries, tired);
  EXPECT_THAT(mapping.skipped, ElementsAre(SkippedRecord{1, 16}));
}

TEST(Skip, RefusesWhatIsSettledOrAskedForAlready) {
  Mapping mapping;
  Positions positions = two_lanes(10, 30);
  EXPECT_THAT(skip(mapping, positions, {.shard = 1, .sequence = 20}, 1).error().message(),
              HasSubstr("settled already"));
  ASSERT_TRUE(skip(mapping, positions, {.shard = 1, .sequence = 20}, 0).ok()) << "in the other lane it is not";
  EXPECT_THAT(skip(mapping, positions, {.shard = 1, .sequence = 20}, 0).error().message(),
              HasSubstr("to be skipped already"));
  positions[1].previous = {{25, 25}};
  EXPECT_THAT(skip(mapping, positions, {.shard = 1, .sequence = 24}, 0).error().message(),
              HasSubstr("settled already"));
  positions[1].finished = true;
  EXPECT_THAT(skip(mapping, positions, {.shard = 1, .sequence = 99}, 0).error().message(),
              HasSubstr("settled already"));
  mapping.start_after = 100;
  EXPECT_THAT(skip(mapping, positions, {.shard = 2, .sequence = 100}, 0).error().message(),
              HasSubstr("before the mapping's start"));
}

TEST(Skip, ForgetsWhatIsPassedAndHasALimit) {
  Mapping mapping;
  Positions positions = two_lanes(10, 10);
  for (SequenceNumber i = 0; i < kSkippedMax; ++i) mapping.skipped.push_back({1, 20 + i});
  EXPECT_THAT(skip(mapping, positions, {.shard = 1, .sequence = 5000}, 0).error().message(), HasSubstr("1000 records"));
  positions = two_lanes(3000, 3000);
  ASSERT_TRUE(skip(mapping, positions, {.shard = 1, .sequence = 5000}, 0).ok());
  EXPECT_THAT(mapping.skipped, ElementsAre(SkippedRecord{1, 5000}));
}

TEST(SkippedRecords, AreKeptWithTheMapping) {
  Mapping mapping;
  mapping.uuid = "u";
  mapping.stream_arn = "s";
  mapping.function_arn = "f";
  mapping.payload_in_failures = true;
  mapping.skipped = {{1, 16}, {2, 99}};
  const auto back = decode_mapping(encode(mapping));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->skipped, mapping.skipped);
  EXPECT_TRUE(back->payload_in_failures);
  EXPECT_THAT(decode_mapping(R"({"v":1,"uuid":"u","stream":"s","function":"f","skipped":[1,[2],["x",3]]})")->skipped,
              ElementsAre(SkippedRecord{0, 3}))
      << "damage is no reason not to start";
}

// Without a lane nothing could be delivered; with a billion of them nothing could start.
TEST(MappingTest, AMappingThatCannotBeIsDamaged) {
  const auto of = [](const std::string& member) {
    return decode_mapping(R"({"v":1,"uuid":"u","stream":"s","function":"f",)" + member + "}").ok();
  };
  EXPECT_TRUE(of(R"("parallelizationFactor":10)"));
  for (const char* member : {R"("parallelizationFactor":0)", R"("parallelizationFactor":1000000000)",
                             R"("parallelizationFactor":-1)", R"("batchSize":0)", R"("windowSeconds":-1)",
                             R"("tumblingSeconds":99999)", R"("retries":-2)", R"("recordAgeSeconds":9999999)"}) {
    EXPECT_FALSE(of(member)) << member;
  }
}

}  // namespace
}  // namespace millrace::triggers::internal
