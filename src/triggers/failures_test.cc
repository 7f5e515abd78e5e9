#include "triggers/failures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/json.h"
#include "model/change_record.h"
#include "triggers/documents.h"

namespace millrace::triggers {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

FailureDocument document() {
  FailureDocument out;
  out.function_arn = "arn:f";
  out.stream_arn = "arn:s";
  out.shard_id = "shardId-1";
  out.first = 5;
  out.last = 9;
  out.batch_size = 2;
  return out;
}

std::string record_text(SequenceNumber sequence, const std::string& key) {
  return R"({"eventID":"e","dynamodb":{"Keys":{"id":{"S":")" + key + R"("}},"SequenceNumber":")" +
         model::sequence_number(sequence) + "\"}}";
}

std::deque<Record> records(const std::string& first, const std::string& second) {
  return {{.sequence = 1, .created = {}, .event = record_text(1, first)},
          {.sequence = 2, .created = {}, .event = record_text(2, second)}};
}

TEST(Failures, WhatIsRenderedCanBeRead) {
  FailureDocument written = document();
  written.payload = "{\"Records\":[" + record_text(5, "a") + "," + record_text(9, "b") + "]}";
  const auto read = parse_failure(render(written));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->function_arn, "arn:f");
  EXPECT_EQ(read->stream_arn, "arn:s");
  EXPECT_EQ(read->shard_id, "shardId-1");
  EXPECT_EQ(read->first, 5u);
  EXPECT_EQ(read->last, 9u);
  EXPECT_EQ(read->batch_size, 2u);
  const auto found = records_of(read->payload);
  ASSERT_TRUE(found.ok());
  ASSERT_THAT(*found, SizeIs(2));
  EXPECT_EQ((*found)[1].sequence, 9u);
  EXPECT_EQ((*found)[1].event, record_text(9, "b")) << "to the byte";
}

TEST(Failures, ANotificationIsUnwrapped) {
  const std::string text = codec::Json::object({{"Type", "Notification"}, {"Message", render(document())}}).dump();
  ASSERT_TRUE(parse_failure(text).ok());
  EXPECT_EQ(parse_failure(text)->payload, "");
}

TEST(Failures, OtherTextsAreNone) {
  for (const char* text : {"", "hello", "[]", "{}", R"({"requestContext":1,"DDBStreamBatchInfo":{}})",
                           R"({"requestContext":{},"DDBStreamBatchInfo":{"shardId":"s"}})",
                           R"({"Type":"Notification","Message":"hello"})"}) {
    EXPECT_FALSE(parse_failure(text).ok()) << text;
  }
  for (const char* text : {"", "[]", R"({"Records":1})", R"({"Records":[1]})", R"({"Records":[{"kinesis":{}}]})"}) {
    EXPECT_FALSE(records_of(text).ok()) << text;
  }
}

TEST(Failures, AKeyThatIsLeftKeepsItsLaterBatchesBack) {
  KeyGate gate;
  EXPECT_TRUE(gate.admits(records("a", "b")));
  gate.close(records("b", "c"));
  EXPECT_FALSE(gate.admits(records("a", "b")));
  EXPECT_TRUE(gate.admits(records("a", "d")));
}

// Ten records with the sequence numbers 1 to 10; the odd ones have key hash 1, the even ones 2.
class Tenfold final : public EventSource {
 public:
  Result<StreamInfo> describe(const std::string&) override { return StreamInfo{.shards = {{"shardId-1", 1, 0}}}; }
  Result<Page> read(const ReadRequest& request) override {
    Page page{.records = {}, .read_to = request.after};
    for (SequenceNumber i = std::max(request.after + 1, trimmed + 1); i <= 10; ++i) {
      if (page.records.size() == request.records_max) return page;
      page.read_to = i;
      const std::uint64_t hash = i % 2 == 0 ? 2 : 1;
      if (lane_of(hash, request.lanes) == request.lane) {
        page.records.push_back({{.sequence = i, .created = {}, .event = R"({"n":)" + std::to_string(i) + "}"}, hash});
      }
    }
    page.at_tail = true;
    return page;
  }
  Backlog backlog(const std::string&, std::uint64_t, SequenceNumber) override { return {}; }
  Subscription subscribe(const std::string&, std::function<void(std::uint64_t)>) override { return nullptr; }
  SequenceNumber trimmed = 0;
};

class ReadBack : public testing::Test {
 protected:
  std::string read(SequenceNumber first, SequenceNumber last, std::size_t count) {
    Failure failure{.shard_id = shard, .first = first, .last = last, .batch_size = count};
    const auto found = read_failed_batch(source, mapping, failure);
    if (!found.ok()) return found.error().message();
    std::string out;
    for (const Record& record : *found) out += std::to_string(record.sequence) + " ";
    return out;
  }
  Tenfold source;
  Mapping mapping;
  std::string shard = "shardId-1";
};

TEST_F(ReadBack, FindsTheBatchOfItsLane) {
  EXPECT_EQ(read(3, 6, 4), "3 4 5 6 ");
  mapping.parallelization_factor = 2;
  EXPECT_EQ(read(3, 7, 3), "3 5 7 ");
}

TEST_F(ReadBack, AppliesTheFilters) {
  mapping.filters = {R"({"n":[3,5]})"};
  EXPECT_EQ(read(3, 5, 2), "3 5 ");
}

TEST_F(ReadBack, SaysWhatIsDifferent) {
  EXPECT_THAT(read(3, 6, 3), HasSubstr("selects 4 records of that range by now, not 3"));
  source.trimmed = 4;
  EXPECT_THAT(read(3, 6, 4), HasSubstr("have left the stream, and it does not carry them"));
  shard = "shardId-2";
  EXPECT_EQ(read(5, 6, 2), "shard shardId-2 has left the stream");
}

}  // namespace
}  // namespace millrace::triggers
