#include "wire/codec.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/xml.h"
#include "crypto/digest.h"
#include "wire/generated/dynamodb.h"
#include "wire/generated/iam.h"
#include "wire/generated/lambda.h"
#include "wire/generated/logs.h"
#include "wire/generated/s3.h"
#include "wire/generated/sqs.h"
#include "wire/generated/sts.h"

namespace millrace::wire {
namespace {

using testing::HasSubstr;

struct Request {
  http::RequestHead head;
  Labels labels;
  Form form;
  std::string body;

  Result<Document> decode(const ServiceModel& model, std::string_view operation, Protocol protocol) const {
    Incoming incoming{&head, &labels, &form, body};
    return decode_request(model, *model.find_operation(operation), protocol, incoming);
  }
};

Addressee to(const ServiceModel& model, std::string_view operation, Protocol protocol) {
  Addressee addressee;
  addressee.model = &model;
  addressee.operation = model.find_operation(operation);
  addressee.protocol = protocol;
  addressee.request_id = "id-1";
  return addressee;
}

Result<Document> decode_json(const ServiceModel& model, std::string_view operation, std::string_view body) {
  Request request;
  request.body = body;
  return request.decode(model, operation, Protocol::kJson);
}

TEST(JsonProtocolTest, DropsUnknownMembersAndNulls) {
  const auto document = decode_json(dynamodb::kModel, "GetItem",
                                    R"({"TableName":"t","Bogus":1,"Key":{"id":{"S":"1"}},"ConsistentRead":null})");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->dump(), R"({"TableName":"t","Key":{"id":{"S":"1"}}})");
}

TEST(JsonProtocolTest, RefusesWrongTypesAsAwsDoes) {
  const auto message = [](std::string_view body) {
    const auto result = decode_json(dynamodb::kModel, "CreateTable", body);
    EXPECT_FALSE(result.ok()) << body;
    return result.ok() ? std::string() : result.error().message();
  };
  EXPECT_EQ(message(R"({"TableName":5})"),
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String");
  EXPECT_EQ(message(R"({"TableName":{}})"), "Start of structure or map found where not expected.");
  EXPECT_EQ(message(R"({"TableName":[]})"), "Start of list found where not expected");
  EXPECT_EQ(message(R"({"KeySchema":"x"})"), "Unrecognized collection type class java.lang.String");
  EXPECT_THAT(message("{"), HasSubstr("could not parse JSON"));
  EXPECT_THAT(message("[]"), HasSubstr("Start of list"));
}

TEST(JsonProtocolTest, RefusesBlobsThatAreNoBase64) {
  EXPECT_FALSE(decode_json(dynamodb::kModel, "PutItem", R"({"Item":{"a":{"B":"a!=="}}})").ok());
  EXPECT_TRUE(decode_json(dynamodb::kModel, "PutItem", R"({"Item":{"a":{"B":"aGk="}}})").ok());
}

TEST(JsonProtocolTest, CutsFractionsOffIntegers) {
  const auto document = decode_json(dynamodb::kModel, "Scan", R"({"Limit":2.9})");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->dump(), R"({"Limit":2})");
}

TEST(JsonProtocolTest, AnswersWithChecksumAndType) {
  Reply reply;
  reply.output.set("TableNames", Document::array({"a"}));
  const auto response = encode_reply(to(dynamodb::kModel, "ListTables", Protocol::kJson), std::move(reply));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"TableNames":["a"]})");
  EXPECT_EQ(response.fields.get("content-type"), "application/x-amz-json-1.0");
  EXPECT_EQ(response.fields.get("x-amzn-requestid"), "id-1");
  EXPECT_EQ(response.fields.get("x-amz-crc32"), std::to_string(crypto::crc32(response.body)));
}

TEST(JsonProtocolTest, NamesErrorsWithTheirNamespace) {
  const auto addressee = to(dynamodb::kModel, "GetItem", Protocol::kJson);
  auto response = encode_error(addressee, Error(dynamodb::kResourceNotFoundException, "Requested resource not found"));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(
      response.body,
      R"({"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found"})");
  response = encode_error(addressee, Error(dynamodb::kValidationException, "m"));
  EXPECT_EQ(response.body, R"({"__type":"com.amazon.coral.validate#ValidationException","message":"m"})");
  response = encode_error(
      addressee,
      Error(dynamodb::kTransactionCanceledException, "m").with("CancellationReasons", R"([{"Code":"None"}])"));
  EXPECT_EQ(response.body, R"({"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"m",)"
                           R"("CancellationReasons":[{"Code":"None"}]})");
}

TEST(JsonProtocolTest, TellsTheQueryCodeOfSqsErrors) {
  const auto addressee = to(sqs::kModel, "SendMessage", Protocol::kJson);
  const auto response = encode_error(addressee, Error(sqs::kQueueDoesNotExist, "m"));
  EXPECT_EQ(response.fields.get("x-amzn-query-error"), "AWS.SimpleQueueService.NonExistentQueue;Sender");
  EXPECT_EQ(response.body, R"({"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"m"})");
}

TEST(QueryProtocolTest, ReadsNestedListsMapsAndEmptyLists) {
  Request request;
  request.form = *parse_form(
      "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A0%3Arole%2Fr&RoleSessionName=a+b&PolicyArns=&Tags.member.10.Key="
      "k10"
      "&Tags.member.2.Key=k2&Tags.member.2.Value=v2&DurationSeconds=900");
  const auto document = request.decode(sts::kModel, "AssumeRole", Protocol::kQuery);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->string_or("RoleSessionName", ""), "a b");
  EXPECT_EQ(document->int_or("DurationSeconds", 0), 900);
  EXPECT_EQ(document->find("PolicyArns")->dump(), "[]");
  EXPECT_EQ(document->find("Tags")->dump(), R"([{"Key":"k2","Value":"v2"},{"Key":"k10"}])");
}

TEST(QueryProtocolTest, ReadsFlattenedSqsParameters) {
  Request request;
  request.form = *parse_form(
      "Action=SendMessageBatch&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=x"
      "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n"
      "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String");
  auto document = request.decode(sqs::kModel, "SendMessageBatch", Protocol::kQuery);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->dump(),
            R"({"Entries":[{"Id":"a","MessageBody":"x","MessageAttributes":{"n":{"DataType":"String"}}}]})");
  request.form =
      *parse_form("Attribute.1.Name=DelaySeconds&Attribute.1.Value=10&QueueName=q&Tag.1.Key=a&Tag.1.Value=b");
  document = request.decode(sqs::kModel, "CreateQueue", Protocol::kQuery);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->find("Attributes")->dump(), R"({"DelaySeconds":"10"})");
  EXPECT_EQ(document->find("tags")->dump(), R"({"a":"b"})");
}

TEST(JsonProtocolTest, NamesOfTheQueryProtocolAreNotThoseOfJson) {
  const auto document = decode_json(sqs::kModel, "CreateQueue",
                                    R"({"QueueName":"q","Attributes":{"DelaySeconds":"10"},"tags":{"a":"b"}})");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->dump(), R"({"QueueName":"q","Attributes":{"DelaySeconds":"10"},"tags":{"a":"b"}})");
}

TEST(QueryProtocolTest, RefusesBadNumbersAndDeepNames) {
  Request request;
  request.form = {{"DurationSeconds", "x"}};
  EXPECT_FALSE(request.decode(sts::kModel, "AssumeRole", Protocol::kQuery).ok());
  std::string deep = "a";
  for (int i = 0; i < 100; ++i) deep += ".a";
  request.form = {{deep, "x"}};
  EXPECT_FALSE(request.decode(sts::kModel, "AssumeRole", Protocol::kQuery).ok());
}

TEST(QueryProtocolTest, AnswersInTheResultElement) {
  Reply reply;
  reply.output.set("Account", "000000000000").set("Arn", "arn:aws:iam::000000000000:root").set("UserId", "a&b");
  auto response = encode_reply(to(sts::kModel, "GetCallerIdentity", Protocol::kQuery), std::move(reply));
  EXPECT_EQ(response.body,
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>"
            "<UserId>a&amp;b</UserId><Account>000000000000</Account><Arn>arn:aws:iam::000000000000:root</Arn>"
            "</GetCallerIdentityResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>"
            "</GetCallerIdentityResponse>");
  EXPECT_EQ(response.fields.get("content-type"), "text/xml");
  response = encode_error(to(iam::kModel, "GetRole", Protocol::kQuery), Error(iam::kNoSuchEntityException, "none"));
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, HasSubstr("<Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>none</Message>"));
}

TEST(QueryProtocolTest, WritesFlattenedSqsResults) {
  Reply reply;
  reply.output = *codec::parse_json(R"({"Messages":[{"Body":"b","Attributes":{"SentTimestamp":"1"}},{"Body":"c"}]})");
  const auto response = encode_reply(to(sqs::kModel, "ReceiveMessage", Protocol::kQuery), std::move(reply));
  EXPECT_THAT(response.body, HasSubstr("<ReceiveMessageResult><Message><Body>b</Body><Attribute><Name>SentTimestamp"
                                       "</Name><Value>1</Value></Attribute></Message><Message><Body>c</Body></Message>"
                                       "</ReceiveMessageResult>"));
}

TEST(RestJsonTest, BindsLabelsQueryFieldsAndBody) {
  Request request;
  request.head.query = {{"FunctionName", "f"}, {"MaxItems", "5"}};
  auto document = request.decode(lambda::kModel, "ListEventSourceMappings", Protocol::kRestJson);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->dump(), R"({"FunctionName":"f","MaxItems":5})");

  request = Request();
  request.labels = {{"FunctionName", "f"}};
  request.head.fields.add("X-Amz-Invocation-Type", "Event");
  request.body = "{}";
  document = request.decode(lambda::kModel, "Invoke", Protocol::kRestJson);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->dump(), R"({"FunctionName":"f","InvocationType":"Event","Payload":"e30="})");

  request.body = R"({"BatchSize":1})";
  request.labels = {{"UUID", "u"}};
  document = request.decode(lambda::kModel, "UpdateEventSourceMapping", Protocol::kRestJson);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->dump(), R"({"UUID":"u","BatchSize":1})");
}

TEST(RestJsonTest, BindsAnswersToStatusFieldsAndPayload) {
  Reply reply;
  reply.output.set("StatusCode", 202).set("FunctionError", "Unhandled").set("ExecutedVersion", "$LATEST");
  reply.payload = "{}";
  const auto response = encode_reply(to(lambda::kModel, "Invoke", Protocol::kRestJson), std::move(reply));
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.fields.get("x-amz-function-error"), "Unhandled");
  EXPECT_EQ(response.fields.get("X-Amz-Executed-Version"), "$LATEST");
  EXPECT_EQ(response.body, "{}");
}

TEST(RestJsonTest, WritesErrorsWithTheShapesCapitalisation) {
  const auto addressee = to(lambda::kModel, "GetFunction", Protocol::kRestJson);
  auto response = encode_error(addressee, Error(lambda::kResourceNotFoundException, "m"));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, R"({"Type":"User","Message":"m"})");
  EXPECT_EQ(response.fields.get("x-amzn-errortype"), "ResourceNotFoundException");
  response = encode_error(addressee, Error(lambda::kInvalidParameterValueException, "m"));
  EXPECT_EQ(response.body, R"({"Type":"User","message":"m"})");
  response = encode_error(addressee, Error(lambda::kValidationException, "m"));
  EXPECT_EQ(response.body, R"({"message":"m"})");
}

TEST(RestXmlTest, ReadsDeleteObjectsWithAndWithoutNamespace) {
  Request request;
  request.labels = {{"Bucket", "b"}};
  request.body =
      "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a/b.json</Key></Object>"
      "<Object><Key>c&amp;d</Key><VersionId>null</VersionId></Object><Quiet>false</Quiet></Delete>";
  const auto document = request.decode(s3::kModel, "DeleteObjects", Protocol::kRestXml);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(
      document->dump(),
      R"({"Bucket":"b","Delete":{"Objects":[{"Key":"a/b.json"},{"Key":"c&d","VersionId":"null"}],"Quiet":false}})");
  request.body = "<Delete><Object>";
  const auto broken = request.decode(s3::kModel, "DeleteObjects", Protocol::kRestXml);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().type().name, "MalformedXML");
}

TEST(RestXmlTest, ReadsLifecycleRules) {
  Request request;
  request.body =
      "<LifecycleConfiguration><Rule><ID>x</ID><Filter><Prefix>uploads</Prefix></Filter><Status>Enabled</Status>"
      "<Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
  const auto document = request.decode(s3::kModel, "PutBucketLifecycleConfiguration", Protocol::kRestXml);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->find("LifecycleConfiguration")->dump(),
            R"({"Rules":[{"Expiration":{"Days":1},"ID":"x","Filter":{"Prefix":"uploads"},"Status":"Enabled"}]})");
}

TEST(RestXmlTest, ReadsMetadataAndDates) {
  Request request;
  request.labels = {{"Bucket", "b"}, {"Key", "k"}};
  request.head.fields.add("X-Amz-Meta-Color", "red");
  request.head.fields.add("x-amz-meta-filesha256", "1");
  request.head.fields.add("Expires", "Thu, 17 Sep 2026 13:27:38 GMT");
  Incoming incoming{&request.head, &request.labels, nullptr, ""};
  const auto document = decode_head(s3::kModel, *s3::kModel.find_operation("PutObject"), incoming);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->find("Metadata")->dump(), R"({"color":"red","filesha256":"1"})");
}

TEST(RestXmlTest, WritesListsFlattened) {
  Reply reply;
  reply.output = *codec::parse_json(
      R"({"Name":"b","IsTruncated":false,"Contents":[{"Key":"a<b","LastModified":1789651658.492,"ETag":"\"x\"","Size":3}],
          "CommonPrefixes":[{"Prefix":"p/"}],"KeyCount":1})");
  const auto response = encode_reply(to(s3::kModel, "ListObjectsV2", Protocol::kRestXml), std::move(reply));
  EXPECT_THAT(response.body, HasSubstr("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"));
  EXPECT_THAT(response.body,
              HasSubstr("<Contents><Key>a&lt;b</Key><LastModified>2026-09-17T13:27:38.492Z</LastModified>"
                        "<ETag>&quot;x&quot;</ETag><Size>3</Size></Contents>"));
  EXPECT_THAT(response.body, HasSubstr("<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>"));
  EXPECT_EQ(response.fields.get("x-amz-request-id"), "id-1");
}

TEST(RestXmlTest, WritesHeadMembersAndStreams) {
  Reply reply;
  reply.output.set("ETag", "\"x\"").set("LastModified", 1789651658).set("ContentLength", 0);
  reply.output.set("Metadata", Document::object({{"color", "red"}}));
  const auto response = encode_reply(to(s3::kModel, "GetObject", Protocol::kRestXml), std::move(reply));
  EXPECT_EQ(response.fields.get("etag"), "\"x\"");
  EXPECT_EQ(response.fields.get("last-modified"), "Thu, 17 Sep 2026 13:27:38 GMT");
  EXPECT_EQ(response.fields.get("x-amz-meta-color"), "red");
  EXPECT_EQ(response.body, "");
}

TEST(RestXmlTest, WritesTheBucketLocationAsText) {
  Reply reply;
  reply.output.set("LocationConstraint", "eu-west-1");
  const auto response = encode_reply(to(s3::kModel, "GetBucketLocation", Protocol::kRestXml), std::move(reply));
  EXPECT_THAT(response.body, HasSubstr("\">eu-west-1</LocationConstraint>"));
}

TEST(RestXmlTest, WritesErrorsAndLeavesThemOutOfHeadAnswers) {
  auto addressee = to(s3::kModel, "GetObject", Protocol::kRestXml);
  addressee.resource = "/b/k";
  auto response =
      encode_error(addressee, Error(s3::kNoSuchKey, "The specified key does not exist.").with("Key", "\"k\""));
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, HasSubstr("<Error><Code>NoSuchKey</Code><Message>The specified key does not exist."
                                       "</Message><Key>k</Key><Resource>/b/k</Resource><RequestId>id-1</RequestId>"));
  addressee.head_method = true;
  response = encode_error(addressee, Error(s3::kNoSuchKey, "x"));
  EXPECT_EQ(response.body, "");
}

TEST(InternalErrorTest, IsNamedAsEachServiceNamesIt) {
  const Error error(kInternalError, "m");
  EXPECT_THAT(encode_error(to(dynamodb::kModel, "GetItem", Protocol::kJson), error).body,
              HasSubstr("v20120810#InternalServerError"));
  EXPECT_THAT(encode_error(to(s3::kModel, "GetObject", Protocol::kRestXml), error).body,
              HasSubstr("<Code>InternalError</Code>"));
  EXPECT_EQ(encode_error(to(lambda::kModel, "Invoke", Protocol::kRestJson), error).fields.get("x-amzn-errortype"),
            "ServiceException");
  EXPECT_THAT(encode_error(to(sts::kModel, "AssumeRole", Protocol::kQuery), error).body,
              HasSubstr("<Type>Receiver</Type><Code>InternalFailure</Code>"));
}

TEST(DecoderTest, SurvivesRandomRequests) {
  std::mt19937 random(7);
  const std::string_view alphabet = "{}[]\":,0123456789.eTFABNSML<>/=&%+member ";
  const auto text = [&](unsigned length) {
    std::string out;
    while (out.size() < length) out += alphabet[random() % alphabet.size()];
    return out;
  };
  const ServiceModel* models[] = {&dynamodb::kModel, &lambda::kModel, &s3::kModel,
                                  &sqs::kModel,      &iam::kModel,    &logs::kModel};
  for (int i = 0; i < 20000; ++i) {
    const ServiceModel& model = *models[random() % 6];
    const OperationModel& operation = model.operations[random() % model.operations.size()];
    Request request;
    const Shape* input = operation.input == kNoShape ? nullptr : &model.shape(operation.input);
    request.body = random() % 2 == 0 ? text(random() % 60) : "<A>" + text(random() % 30) + "</A>";
    for (const Member& member : input == nullptr ? std::span<const Member>() : model.members_of(*input)) {
      request.head.query.emplace_back(std::string(member.on_wire()), text(random() % 5));
      request.head.fields.add(std::string(member.on_wire()), text(random() % 5));
      request.labels.emplace_back(member.on_wire(), text(3));
      request.form.emplace_back(std::string(member.name) + ".member." + text(2), text(3));
      request.form.emplace_back(std::string(member.name), text(3));
    }
    (void)request.decode(model, operation.name, model.protocol).ok();
    (void)request.decode(model, operation.name, Protocol::kQuery).ok();
    (void)parse_form(text(40)).ok();
  }
}

}  // namespace
}  // namespace millrace::wire
