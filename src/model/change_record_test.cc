#include "model/change_record.h"

#include <gtest/gtest.h>

#include "model/stored.h"

namespace millrace::model {
namespace {

struct Sample {
  std::string keys = to_stored(Item{{"pk", AttributeValue::string("a")}});
  std::string image = to_stored(Item{{"pk", AttributeValue::string("a")}, {"n", AttributeValue::number(4)}});
  ChangeRecord record;

  explicit Sample(ChangeEvent event, ChangeOrigin origin = ChangeOrigin::kClient) {
    record.event = event;
    record.origin = origin;
    record.key_hash = 0x1122334455667788;
    record.size_bytes = 15;
    record.keys = keys;
    (event == ChangeEvent::kRemove ? record.old_image : record.new_image) = image;
  }
};

const ChangeContext kContext{.stamp = 1789651660123456,
                             .committed = from_unix_ms(1789651660999),
                             .region = "us-east-1",
                             .stream_arn = "arn:x",
                             .view = ViewType::kNewAndOldImages};

TEST(ChangeRecord, SurvivesItsEncoding) {
  const Sample sample(ChangeEvent::kModify, ChangeOrigin::kTimeToLive);
  const std::string encoded = encode_change(sample.record);
  const auto header = decode_change_header(encoded);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->event, ChangeEvent::kModify);
  EXPECT_EQ(header->origin, ChangeOrigin::kTimeToLive);
  EXPECT_EQ(header->key_hash, 0x1122334455667788u);
  EXPECT_EQ(header->size_bytes, 15u);
  const auto record = decode_change(encoded);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->keys, sample.keys);
  EXPECT_EQ(record->new_image, sample.image);
  EXPECT_TRUE(record->old_image.empty());
}

TEST(ChangeRecord, DamageIsNoticed) {
  const std::string encoded = encode_change(Sample(ChangeEvent::kInsert).record);
  for (std::size_t cut = 0; cut < encoded.size(); ++cut)
    EXPECT_FALSE(decode_change(std::string_view(encoded).substr(0, cut)));
  std::string other = encoded;
  other[1] = 9;
  EXPECT_FALSE(decode_change_header(other));
}

TEST(ChangeRecord, LambdaSeesItAsRecordedOnAws) {
  std::string out;
  ASSERT_TRUE(append_lambda_json(out, Sample(ChangeEvent::kRemove).record, kContext));
  EXPECT_EQ(out,
            "{\"eventID\":\"" + event_id(kContext.stamp) +
                R"(","eventName":"REMOVE","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1",)"
                R"("dynamodb":{"ApproximateCreationDateTime":1789651660,"Keys":{"pk":{"S":"a"}},)"
                R"("OldImage":{"n":{"N":"4"},"pk":{"S":"a"}},"SequenceNumber":"100001789651660123456","SizeBytes":15,)"
                R"("StreamViewType":"NEW_AND_OLD_IMAGES"},"eventSourceARN":"arn:x"})");
}

TEST(ChangeRecord, ExpiryIsMarkedInTheSpellingOfEachDocument) {
  const Sample sample(ChangeEvent::kRemove, ChangeOrigin::kTimeToLive);
  std::string lambda;
  std::string streams;
  ASSERT_TRUE(append_lambda_json(lambda, sample.record, kContext));
  ASSERT_TRUE(append_streams_json(streams, sample.record, kContext));
  EXPECT_NE(lambda.find(R"("userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"},"eventSourceARN")"),
            std::string::npos);
  EXPECT_NE(streams.find(R"("userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}})"),
            std::string::npos);
  EXPECT_EQ(streams.find("eventSourceARN"), std::string::npos);
}

TEST(SequenceNumber, OrdersAsTextAndReadsBack) {
  EXPECT_EQ(sequence_number(0), "100000000000000000000");
  EXPECT_EQ(sequence_number(UINT64_MAX), "118446744073709551615");
  EXPECT_LT(sequence_number(99), sequence_number(100));
  EXPECT_EQ(parse_sequence_number(sequence_number(UINT64_MAX)), UINT64_MAX);
  for (const char* text :
       {"", "1", "200000000000000000000", "118446744073709551616", "1000000000000000000x0", "1000000000000000000000"}) {
    EXPECT_EQ(parse_sequence_number(text), std::nullopt) << text;
  }
}

TEST(EventId, IsThirtyTwoHexDigitsOfTheStamp) {
  EXPECT_EQ(event_id(5).size(), 32u);
  EXPECT_EQ(event_id(5), event_id(5));
  EXPECT_NE(event_id(5), event_id(6));
  EXPECT_EQ(event_id(77).find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace
}  // namespace millrace::model
