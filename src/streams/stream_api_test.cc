#include "streams/stream_api.h"

#include "streams/fixture_test.h"

namespace millrace::streams {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StreamApiTest : public StreamsFixture {
 protected:
  Result<std::string> iterator(const Opened& opened, IteratorType type,
                               std::optional<std::string_view> sequence_number = {}) {
    const std::string id = shard(opened.id).id;
    return get_shard_iterator(*streams, {{}, opened.arn, id, type, sequence_number}, scheduler.now());
  }
  Result<RecordsPage> records(const std::string& iterator, std::size_t limit = 1000) {
    return get_records(*streams, {}, iterator, limit, scheduler.now());
  }
  static std::vector<std::string> texts(const RecordsPage& page) {
    std::vector<std::string> out;
    for (const LogRecord& record : page.records) out.push_back(record.value);
    return out;
  }
};

TEST_F(StreamApiTest, ListsInPagesThatSurviveAVanishedStart) {
  std::vector<std::string> arns;
  for (const char* table : {"A", "B", "B", "C"}) arns.push_back(open(1, table).arn);
  std::vector<std::string> seen;
  std::string start;
  do {
    const ListPage page = list_streams(*streams, {{}, "", start, 3}).value();
    for (const Stream& stream : page.streams) seen.push_back(stream.arn);
    start = page.last_evaluated_arn;
  } while (!start.empty());
  EXPECT_EQ(seen, arns);
  EXPECT_EQ(list_streams(*streams, {{}, "B", "", 100}).value().streams.size(), 2U);
  EXPECT_EQ(list_streams(*streams, {{}, "B", "", 2}).value().last_evaluated_arn, "");
  const std::string gone = arns[0] + "9";
  EXPECT_EQ(list_streams(*streams, {{}, "", gone, 100}).value().streams.size(), 3U);
  EXPECT_TRUE(list_streams(*streams, {{}, "", "arn:nonsense", 100}).error().is(kValidation));
  EXPECT_TRUE(list_streams(*streams, {{"111111111111", "us-east-1"}, "", "", 100}).value().streams.empty());
}

TEST_F(StreamApiTest, ShowsWhatIsOnDiskWithoutWaitingForWhatIsNot) {
  const Opened old = open(1, "A");
  const std::string parent = shard(old.id).id;
  commits->hold();
  const Opened pending = open(1, "B");
  storage::WriteBatch batch;
  ASSERT_TRUE(streams->reshape(old.id, {Reshape::Kind::kSplit, {shard(old.id).number}}, batch).ok());
  streams->close(old.id, batch);
  commits->submit(std::move(batch));
  const auto listed = [&] {
    std::vector<std::string> arns;
    const ListPage page = list_streams(*streams, {{}, "", "", 100}).value();
    for (const Stream& stream : page.streams) arns.push_back(stream.arn);
    return arns;
  };
  EXPECT_THAT(listed(), ElementsAre(old.arn));
  EXPECT_TRUE(describe_stream(*streams, {{}, pending.arn, "", {}, 100}).error().is(kResourceNotFound));
  EXPECT_TRUE(iterator(pending, IteratorType::kLatest).error().is(kResourceNotFound));
  const Stream before = describe_stream(*streams, {{}, old.arn, "", {}, 100}).value().stream;
  EXPECT_TRUE(before.is_enabled());
  ASSERT_EQ(before.shards.size(), 1U);
  EXPECT_TRUE(before.shards[0].is_open());
  EXPECT_EQ(before.shards[0].id, parent);
  commits->commit_one();
  EXPECT_THAT(listed(), ElementsAre(old.arn, pending.arn));
  EXPECT_TRUE(describe_stream(*streams, {{}, old.arn, "", {}, 100}).value().stream.is_enabled());
  commits->release();
  const Stream after = describe_stream(*streams, {{}, old.arn, "", {}, 100}).value().stream;
  EXPECT_FALSE(after.is_enabled());
  EXPECT_EQ(after.shards.size(), 3U);
  for (const Shard& one : after.shards) EXPECT_TRUE(one.end);
}

TEST_F(StreamApiTest, KeepsReadersOfTheTailWhenTheClockIsSetBackBeforeTheFirstRecord) {
  const Opened opened = open();
  const std::string latest = iterator(opened, IteratorType::kLatest).value();
  scheduler.set_machine_offset(-std::chrono::hours(24 * 365));
  restart();
  write(opened.id, "r");
  EXPECT_THAT(texts(records(latest).value()), ElementsAre("r"));
  const std::string oldest = iterator(opened, IteratorType::kTrimHorizon).value();
  EXPECT_THAT(texts(records(oldest).value()), ElementsAre("r"));
}

TEST_F(StreamApiTest, DescribesShardsInPagesByShardId) {
  const Opened opened = open(5);
  std::vector<std::string> seen;
  std::string start;
  do {
    const Description page = describe_stream(*streams, {{}, opened.arn, start, {}, 2}).value();
    EXPECT_EQ(page.stream.label, opened.label);
    for (const Shard& one : page.stream.shards) seen.push_back(one.id);
    start = page.last_evaluated_shard;
  } while (!start.empty());
  EXPECT_EQ(seen.size(), 5U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_TRUE(describe_stream(*streams, {{}, opened.arn, "zzz", {}, 2}).value().stream.shards.empty());
}

TEST_F(StreamApiTest, FiltersChildShards) {
  const Opened opened = open();
  const Shard parent = shard(opened.id);
  storage::WriteBatch batch;
  ASSERT_TRUE(streams->reshape(opened.id, {Reshape::Kind::kSplit, {parent.number}}, batch).ok());
  commits->submit(std::move(batch));
  EXPECT_EQ(describe_stream(*streams, {{}, opened.arn, "", parent.id, 100}).value().stream.shards.size(), 2U);
  EXPECT_TRUE(
      describe_stream(*streams, {{}, opened.arn, "", shard(opened.id, 1).id, 100}).value().stream.shards.empty());
}

TEST_F(StreamApiTest, TellsAnUnknownStreamFromAMalformedArn) {
  const std::string unknown = "arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/2026-09-17T12:41:55.694";
  const auto missing = describe_stream(*streams, {{}, unknown, "", {}, 100});
  EXPECT_TRUE(missing.error().is(kResourceNotFound));
  EXPECT_EQ(missing.error().message(), "Requested resource not found: Stream: " + unknown + " not found");
  for (const std::string& bad : {std::string("x"), std::string("arn:aws:dynamodb:us-east-1:0:table/T"), unknown + "/x",
                                 std::string("arn:aws:s3:us-east-1:0:table/T/stream/L")}) {
    EXPECT_TRUE(describe_stream(*streams, {{}, bad, "", {}, 100}).error().is(kValidation)) << bad;
  }
  const Opened opened = open();
  EXPECT_TRUE(
      describe_stream(*streams, {{"111111111111", "us-east-1"}, opened.arn, "", {}, 1}).error().is(kResourceNotFound));
}

TEST_F(StreamApiTest, ReadsFromEveryIteratorType) {
  const Opened opened = open();
  for (const char* value : {"a", "b", "c"}) write(opened.id, value);
  const std::string latest = iterator(opened, IteratorType::kLatest).value();
  write(opened.id, "d");
  EXPECT_THAT(latest, ::testing::StartsWith(opened.arn + "|1|"));
  EXPECT_THAT(texts(records(latest).value()), ElementsAre("d"));
  const RecordsPage all = records(iterator(opened, IteratorType::kTrimHorizon).value()).value();
  EXPECT_THAT(texts(all), ElementsAre("a", "b", "c", "d"));
  const std::string second = model::sequence_number(all.records[1].stamp);
  const auto at = iterator(opened, IteratorType::kAtSequenceNumber, second).value();
  EXPECT_THAT(texts(records(at, 2).value()), ElementsAre("b", "c"));
  EXPECT_THAT(texts(records(at, 1).value()), ElementsAre("b"));  // again
  const auto after = iterator(opened, IteratorType::kAfterSequenceNumber, second).value();
  const RecordsPage page = records(after, 1).value();
  EXPECT_THAT(texts(page), ElementsAre("c"));
  EXPECT_THAT(texts(records(page.next_iterator).value()), ElementsAre("d"));
}

TEST_F(StreamApiTest, EndsWithAClosedShard) {
  const Opened opened = open();
  write(opened.id, "a");
  const std::string start = iterator(opened, IteratorType::kTrimHorizon).value();
  const std::string tail = records(start).value().next_iterator;
  EXPECT_NE(tail, "");
  close(opened.id);
  const RecordsPage all = records(start).value();
  EXPECT_THAT(texts(all), ElementsAre("a"));
  EXPECT_EQ(all.next_iterator, "");
  EXPECT_EQ(records(tail).value().next_iterator, "");
  const Shard closed = shard(opened.id);
  EXPECT_TRUE(iterator(opened, IteratorType::kAfterSequenceNumber, model::sequence_number(*closed.end)).ok());
  EXPECT_TRUE(iterator(opened, IteratorType::kAtSequenceNumber, model::sequence_number(closed.start)).ok());
}

TEST_F(StreamApiTest, RefusesWrongSequenceNumbers) {
  const Opened opened = open();
  write(opened.id, "a");
  using Type = IteratorType;
  EXPECT_TRUE(iterator(opened, Type::kAtSequenceNumber).error().is(kValidation));
  EXPECT_TRUE(iterator(opened, Type::kLatest, "100000000000000000001").error().is(kValidation));
  EXPECT_TRUE(iterator(opened, Type::kTrimHorizon, "100000000000000000001").error().is(kValidation));
  EXPECT_TRUE(iterator(opened, Type::kAtSequenceNumber, "abc").error().is(kValidation));
  EXPECT_TRUE(iterator(opened, Type::kAtSequenceNumber, model::sequence_number(1)).error().is(kValidation));
  EXPECT_TRUE(
      iterator(opened, Type::kAtSequenceNumber, model::sequence_number(streams->head() + 1)).error().is(kValidation));
  EXPECT_TRUE(get_shard_iterator(*streams, {{}, opened.arn, "shardId-0", Type::kLatest, {}}, scheduler.now())
                  .error()
                  .is(kResourceNotFound));
}

TEST_F(StreamApiTest, RefusesTrimmedPositionsAndExpiredOrForgedIterators) {
  const Opened opened = open();
  write(opened.id, "a");
  const std::string sequence = model::sequence_number(read(shard(opened.id).number).records[0].stamp);
  const std::string old = iterator(opened, IteratorType::kTrimHorizon).value();
  scheduler.advance(15min);
  EXPECT_TRUE(records(old).ok());
  scheduler.advance(1ms);
  EXPECT_TRUE(records(old).error().is(kExpiredIterator));
  scheduler.advance(24h);
  EXPECT_TRUE(iterator(opened, IteratorType::kAtSequenceNumber, sequence).error().is(kTrimmedDataAccess));
  EXPECT_TRUE(records(iterator(opened, IteratorType::kTrimHorizon).value()).ok());

  const std::string good = iterator(opened, IteratorType::kTrimHorizon).value();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(decode_iterator(bad)) << i;
    EXPECT_FALSE(decode_iterator(good.substr(0, i))) << i;
  }
  EXPECT_TRUE(records("nonsense").error().is(kValidation));
}

}  // namespace
}  // namespace millrace::streams
