#include "wire/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "storage/memory/memory_store.h"
#include "storage/no_blocking.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "wire/codec.h"
#include "wire/generated/dynamodb.h"
#include "wire/generated/dynamodbstreams.h"
#include "wire/generated/iam.h"
#include "wire/generated/lambda.h"
#include "wire/generated/s3.h"
#include "wire/generated/sqs.h"
#include "wire/generated/sts.h"

namespace millrace::wire {
namespace {

using ::testing::HasSubstr;

class TestChannel final : public http::Responder::Channel {
 public:
  void respond(http::Response response) override { answers.push_back(std::move(response)); }
  bool closed() const override { return false; }
  void on_close(std::function<void()>) override {}
  std::vector<http::Response> answers;
};

using FieldList = std::vector<std::pair<std::string, std::string>>;

std::string scope(std::string_view service, std::string_view key = "test", std::string_view region = "us-east-1") {
  return "AWS4-HMAC-SHA256 Credential=" + std::string(key) + "/20261121/" + std::string(region) + "/" +
         std::string(service) + "/aws4_request, SignedHeaders=host, Signature=0";
}

class DispatcherTest : public ::testing::Test {
 protected:
  DispatcherTest() {
    dynamodb_.on("ListTables", [this](const RequestContext& context, const Document& input) -> Result<Reply> {
      seen_ = context.caller;
      Reply reply;
      reply.output.set("Input", input);
      reply.after = after_;
      return reply;
    });
    dynamodb_.on("PutItem", [this](const RequestContext&, const Document&) -> Result<Reply> {
      return Error(dynamodb::kConditionalCheckFailedException, "The conditional request failed").hold_until(after_);
    });
    echo(lambda_, {"GetFunction", "ListEventSourceMappings", "GetEventSourceMapping", "ListTags"});
    lambda_.on("Invoke", [](const RequestContext& context, const Document&) -> Result<Reply> {
      Reply reply;
      reply.payload = *context.payload;
      return reply;
    });
    echo(s3_, {"ListObjectsV2", "ListObjects", "GetObject", "HeadBucket", "HeadObject", "ListBuckets", "DeleteObjects",
               "DeleteObject", "CreateMultipartUpload", "ListParts", "CopyObject", "GetBucketLocation",
               "PutBucketLifecycleConfiguration", "GetBucketLifecycleConfiguration"});
    s3_.on_stream("PutObject", [this](const RequestContext&, const Document& head) { return open_upload(head); });
    echo(sqs_, {"SendMessage", "ListQueues"});
    echo(sts_, {"GetCallerIdentity"});
    for (const Service* service : {&dynamodb_, &streams_, &lambda_, &s3_, &sqs_, &sts_}) dispatcher_.add(*service);
    dispatcher_.set_faults(faults_);
  }

  // Remembers which operation was called with what.
  void echo(Service& service, std::initializer_list<std::string_view> operations) {
    for (const std::string_view name : operations) {
      service.on(name, [this, name](const RequestContext& context, const Document& input) -> Result<Reply> {
        called_ = std::string(name) + " " + input.dump();
        host_ = context.service_host;
        return Reply();
      });
    }
  }

  class Upload final : public BodySink {
   public:
    explicit Upload(std::string& bytes) : bytes_(bytes) {}
    Result<void> body(std::string_view piece) override {
      if (piece.find("bad") != std::string_view::npos) return Error(s3::kBadDigest, "bad digest");
      bytes_ += piece;
      return {};
    }
    void end(Done done) override { done(Reply()); }

   private:
    std::string& bytes_;
  };

  Result<std::unique_ptr<BodySink>> open_upload(const Document& head) {
    called_ = "PutObject " + head.dump();
    if (head.string_or("Bucket", "") == "missing") return Error(s3::kNoSuchBucket, "no bucket");
    return std::unique_ptr<BodySink>(std::make_unique<Upload>(uploaded_));
  }

  std::shared_ptr<TestChannel> send(std::string method, std::string target, FieldList fields, std::string body = "") {
    auto head = std::make_shared<http::RequestHead>();
    head->method = std::move(method);
    head->target = target;
    const auto mark = target.find('?');
    head->path = target.substr(0, mark);
    const Form query = parse_form(mark == std::string::npos ? "" : target.substr(mark + 1)).value();
    for (const auto& [name, value] : query) {
      head->query.emplace_back(name, value);
    }
    bool host = false;
    for (auto& [name, value] : fields) {
      host = host || name == "Host";
      head->fields.add(name, value);
    }
    if (!host) head->fields.add("Host", "127.0.0.1:4566");
    head->content_length = body.size();
    head->has_body = !body.empty();
    auto channel = std::make_shared<TestChannel>();
    auto sink = dispatcher_.begin(head);
    for (std::size_t at = 0; at < body.size(); at += 10000) {
      if (!sink->body(std::string_view(body).substr(at, 10000)).ok()) break;
    }
    sink->end(http::Responder(channel));
    return channel;
  }

  http::Response ask(std::string method, std::string target, FieldList fields, std::string body = "") {
    auto channel = send(std::move(method), std::move(target), std::move(fields), std::move(body));
    EXPECT_EQ(channel->answers.size(), 1u);
    return channel->answers.empty() ? http::Response() : std::move(channel->answers[0]);
  }

  http::Response target(std::string_view name, std::string body) {
    return ask("POST", "/", {{"X-Amz-Target", std::string(name)}, {"Authorization", scope("dynamodb")}},
               std::move(body));
  }

  std::string s3(std::string method, std::string path, FieldList fields = {}, std::string body = "") {
    called_.clear();
    fields.emplace_back("Authorization", scope("s3"));
    const auto response = ask(std::move(method), std::move(path), std::move(fields), std::move(body));
    return called_.empty() ? std::to_string(response.status) + " " + response.body : called_;
  }

  ::millrace::testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  storage::MemoryStore store_;
  ::millrace::testing::TestCommits commits_{store_, scheduler_};
  telemetry::Registry registry_;
  FaultPlan faults_;
  Service dynamodb_{dynamodb::kModel}, streams_{dynamodbstreams::kModel}, lambda_{lambda::kModel}, s3_{s3::kModel},
      sqs_{sqs::kModel}, sts_{sts::kModel};
  storage::CommitNumber after_ = 0;
  Caller seen_;
  std::string called_, host_, uploaded_;
  Dispatcher dispatcher_{scheduler_, random_, commits_, registry_, DispatcherOptions{{"millrace"}}};
};

TEST_F(DispatcherTest, RoutesByTargetAndEchoesTheInput) {
  const auto response = target("DynamoDB_20120810.ListTables", R"({"Limit":5,"Unknown":1})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"Input":{"Limit":5}})");
}

TEST_F(DispatcherTest, ValidatesBeforeTheHandler) {
  const auto response = target("DynamoDB_20120810.ListTables", R"({"Limit":500})");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("com.amazon.coral.validate#ValidationException"));
  EXPECT_THAT(response.body, HasSubstr("Value '500' at 'limit' failed to satisfy constraint"));
}

TEST_F(DispatcherTest, NamesUnknownAndUnservedOperations) {
  auto response = target("DynamoDB_20120810.Bogus", "{}");
  EXPECT_THAT(response.body, HasSubstr("com.amazon.coral.service#UnknownOperationException"));
  EXPECT_THAT(response.body, HasSubstr("Bogus"));
  response = target("DynamoDB_20120810.ExportTableToPointInTime", "{}");
  EXPECT_THAT(response.body, HasSubstr("ExportTableToPointInTime of Amazon DynamoDB is not implemented"));
  response = target("GraniteServiceVersion20100801.PutMetricData", "{}");
  EXPECT_THAT(response.body, HasSubstr("PutMetricData of Amazon CloudWatch is not implemented"));
  response =
      ask("POST", "/",
          {{"Authorization", scope("sns")}, {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
          "Action=Publish&Version=2010-03-31");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("<Code>InvalidAction</Code><Message>Publish of Amazon Simple Notification"));
  response = ask("GET", "/b?acl", {{"Authorization", scope("s3")}});
  EXPECT_EQ(response.status, 501);
  EXPECT_THAT(response.body, HasSubstr("<Code>NotImplemented</Code><Message>GetBucketAcl of"));
  response = ask("POST", "/b", {{"Content-Type", "multipart/form-data; boundary=x"}}, "--x--");
  EXPECT_THAT(response.body, HasSubstr("<Code>NotImplemented</Code><Message>PostObject of"));
  response = ask("GET", "/restapis", {{"Authorization", scope("apigateway")}});
  EXPECT_EQ(response.fields.get("x-amzn-errortype"), "UnknownOperationException");
}

TEST_F(DispatcherTest, TellsTheCallerFromTheScope) {
  ask("POST", "/",
      {{"X-Amz-Target", "DynamoDB_20120810.ListTables"},
       {"Authorization", scope("dynamodb", "111122223333", "eu-west-1")}},
      "{}");
  EXPECT_EQ(seen_.scope, (Scope{"111122223333", "eu-west-1"}));
  ask("POST", "/", {{"X-Amz-Target", "DynamoDB_20120810.ListTables"}}, "{}");
  EXPECT_EQ(seen_.scope, Scope());
  EXPECT_EQ(seen_.access_key, "");
  EXPECT_EQ(seen_.principal_arn(), "arn:aws:iam::000000000000:root");
  dispatcher_.set_access_keys([](std::string_view key) -> std::optional<KnownCaller> {
    if (key != "ASIA1") return std::nullopt;
    return KnownCaller{"444455556666", "arn:aws:iam::444455556666:user/me"};
  });
  ask("POST", "/",
      {{"X-Amz-Target", "DynamoDB_20120810.ListTables"}, {"Authorization", scope("dynamodb", "ASIA1", "../evil")}},
      "{}");
  EXPECT_EQ(seen_.scope, (Scope{"444455556666", "us-east-1"}));
  EXPECT_EQ(seen_.principal_arn(), "arn:aws:iam::444455556666:user/me");
}

TEST_F(DispatcherTest, RoutesLambdaPathsWithEncodedLabels) {
  const FieldList fields = {{"Authorization", scope("lambda")}};
  ask("GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af", fields);
  EXPECT_EQ(called_, R"(GetFunction {"FunctionName":"arn:aws:lambda:us-east-1:000000000000:function:f"})");
  ask("GET", "/2015-03-31/event-source-mappings/?FunctionName=f", fields);
  EXPECT_EQ(called_, R"(ListEventSourceMappings {"FunctionName":"f"})");
  ask("GET", "/2015-03-31/event-source-mappings/63290901-c1d8-47d3-9a63-df61b41346fc", {});
  EXPECT_EQ(called_, R"(GetEventSourceMapping {"UUID":"63290901-c1d8-47d3-9a63-df61b41346fc"})");
  const auto response = ask("GET", "/2015-03-31/bogus", fields);
  EXPECT_EQ(response.status, 404);
}

TEST_F(DispatcherTest, GivesInvokeItsPayloadAsBytes) {
  const auto response = ask("POST", "/2015-03-31/functions/f/invocations", {{"Authorization", scope("lambda")}},
                            std::string("{\"a\":\0}", 7));
  EXPECT_EQ(response.body, std::string("{\"a\":\0}", 7));
}

TEST_F(DispatcherTest, RoutesS3ByPathAndSubresource) {
  EXPECT_EQ(s3("GET", "/"), "ListBuckets {}");
  EXPECT_EQ(s3("GET", "/b?list-type=2&prefix=a%2Fb&max-keys=1"),
            R"(ListObjectsV2 {"Bucket":"b","MaxKeys":1,"Prefix":"a/b"})");
  EXPECT_EQ(s3("GET", "/b/?list-type=2&x-id=ListObjectsV2"), R"(ListObjectsV2 {"Bucket":"b"})");
  EXPECT_EQ(s3("GET", "/b"), R"(ListObjects {"Bucket":"b"})");
  EXPECT_EQ(s3("GET", "/b/?location="), R"(GetBucketLocation {"Bucket":"b"})");
  EXPECT_EQ(s3("HEAD", "/b"), R"(HeadBucket {"Bucket":"b"})");
  EXPECT_EQ(s3("GET", "/b/a%20b//c/?x-id=GetObject"), R"(GetObject {"Bucket":"b","Key":"a b//c/"})");
  EXPECT_EQ(s3("DELETE", "/b/k"), R"(DeleteObject {"Bucket":"b","Key":"k"})");
  EXPECT_EQ(s3("POST", "/b/k?uploads="), R"(CreateMultipartUpload {"Bucket":"b","Key":"k"})");
  EXPECT_EQ(s3("GET", "/b/k?uploadId=u"), R"(ListParts {"Bucket":"b","Key":"k","UploadId":"u"})");
  EXPECT_EQ(s3("PUT", "/b/k", {{"x-amz-copy-source", "/c/d"}}),
            R"(CopyObject {"Bucket":"b","CopySource":"/c/d","Key":"k"})");
  EXPECT_EQ(s3("GET", "/b?lifecycle"), R"(GetBucketLifecycleConfiguration {"Bucket":"b"})");
  EXPECT_EQ(s3("POST", "/b?delete=", {}, "<Delete><Object><Key>k</Key></Object></Delete>"),
            R"(DeleteObjects {"Bucket":"b","Delete":{"Objects":[{"Key":"k"}]}})");
  EXPECT_THAT(s3("POST", "/b?delete=", {}, "<Delete>"), HasSubstr("400 <?xml"));
  EXPECT_THAT(s3("PATCH", "/b/k"), HasSubstr("405 "));
}

TEST_F(DispatcherTest, ChecksDigestsOfBufferedS3Bodies) {
  const std::string body = "<Delete><Object><Key>k</Key></Object></Delete>";
  const auto md5 = crypto::base64_encode(crypto::md5(body));
  EXPECT_THAT(s3("POST", "/b?delete", {{"Content-MD5", md5}}, body), HasSubstr("DeleteObjects {"));
  EXPECT_THAT(s3("POST", "/b?delete", {{"Content-MD5", md5}}, body + " "), HasSubstr("<Code>BadDigest</Code>"));
  EXPECT_THAT(s3("POST", "/b?delete", {{"Content-MD5", "x"}}, body), HasSubstr("<Code>InvalidDigest</Code>"));
  EXPECT_THAT(s3("POST", "/b?delete", {{"x-amz-checksum-crc32", "AAAAAA=="}}, body),
              HasSubstr("The CRC32 you specified did not match the calculated checksum."));
  EXPECT_THAT(s3("POST", "/b?delete", {{"x-amz-checksum-crc32", "AAAA"}}, body), HasSubstr("InvalidRequest"));
}

TEST_F(DispatcherTest, ServesVirtualHostBuckets) {
  for (const char* host : {"b.s3.amazonaws.com", "b.s3.eu-west-1.amazonaws.com", "b.localhost:4566", "b.s3.localhost",
                           "b.millrace:4566"}) {
    EXPECT_EQ(s3("GET", "/k", {{"Host", host}}), R"(GetObject {"Bucket":"b","Key":"k"})") << host;
  }
  for (const char* host : {"s3.amazonaws.com", "s3.us-east-1.amazonaws.com", "localhost", "millrace", "[::1]:4566"}) {
    EXPECT_EQ(s3("GET", "/b/k", {{"Host", host}}), R"(GetObject {"Bucket":"b","Key":"k"})") << host;
  }
  EXPECT_EQ(s3("GET", "/k", {{"Host", "my.dotted.b.s3.amazonaws.com"}}),
            R"(GetObject {"Bucket":"my.dotted.b","Key":"k"})");
}

TEST_F(DispatcherTest, ServesPresignedUrlsOfBothSignatures) {
  called_.clear();
  ask("GET", "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F20261121%2Fus-east-1%2Fs3%2Faws4_request",
      {});
  EXPECT_EQ(called_, R"(GetObject {"Bucket":"b","Key":"k"})");
  called_.clear();
  ask("GET", "/b/k?AWSAccessKeyId=test&Signature=x&Expires=1", {});
  EXPECT_THAT(called_, HasSubstr(R"(GetObject {"Bucket":"b","Key":"k")"));
}

TEST_F(DispatcherTest, StreamsUploads) {
  EXPECT_THAT(s3("PUT", "/b/k", {{"x-amz-meta-a", "1"}}, std::string(25000, 'x')),
              HasSubstr(R"("Metadata":{"a":"1"})"));
  EXPECT_EQ(uploaded_.size(), 25000u);
  auto response = ask("PUT", "/missing/k", {{"Authorization", scope("s3")}}, "x");
  EXPECT_EQ(response.status, 404);
  response = ask("PUT", "/b/k", {{"Authorization", scope("s3")}}, "bad");
  EXPECT_THAT(response.body, HasSubstr("<Code>BadDigest</Code>"));
}

TEST_F(DispatcherTest, ServesSqsByBothProtocols) {
  ask("POST", "/", {{"X-Amz-Target", "AmazonSQS.SendMessage"}, {"Authorization", scope("sqs")}},
      R"({"QueueUrl":"http://x/q","MessageBody":"m"})");
  EXPECT_EQ(called_, R"(SendMessage {"QueueUrl":"http://x/q","MessageBody":"m"})");
  const FieldList form = {{"Authorization", scope("sqs")}, {"Content-Type", "application/x-www-form-urlencoded"}};
  const auto response = ask("POST", "/000000000000/q", form, "Action=SendMessage&MessageBody=m&Version=2012-11-05");
  EXPECT_EQ(called_, R"(SendMessage {"QueueUrl":"http://127.0.0.1:4566/000000000000/q","MessageBody":"m"})");
  EXPECT_THAT(response.body, HasSubstr("<SendMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">"));
  ask("GET", "/?Action=ListQueues&Version=2012-11-05", {});
  EXPECT_EQ(called_, "ListQueues {}");
}

TEST_F(DispatcherTest, ServesStsAndGivesAwsHostsHttpsUrls) {
  const auto response = ask("POST", "/",
                            {{"Authorization", scope("sts")},
                             {"Content-Type", "application/x-www-form-urlencoded"},
                             {"Host", "sts.amazonaws.com"}},
                            "Action=GetCallerIdentity&Version=2011-06-15");
  EXPECT_THAT(response.body, HasSubstr("<GetCallerIdentityResponse"));
  EXPECT_EQ(host_, "https://sts.amazonaws.com");
  const auto missing = ask("POST", "/", {{"Content-Type", "application/x-www-form-urlencoded"}}, "x=1");
  EXPECT_THAT(missing.body, HasSubstr("<Code>MissingAction</Code>"));
}

TEST_F(DispatcherTest, RefusesWebPages) {
  const FieldList base = {{"X-Amz-Target", "DynamoDB_20120810.ListTables"}};
  const auto status = [&](FieldList fields) {
    fields.insert(fields.end(), base.begin(), base.end());
    return ask("POST", "/", fields, "{}").status;
  };
  EXPECT_EQ(status({{"Host", "evil.example"}}), 403);
  EXPECT_EQ(status({{"Host", "127.0.0.1.evil.example"}}), 403);
  EXPECT_EQ(status({{"Host", "evilamazonaws.com"}}), 403);
  EXPECT_EQ(status({{"Origin", "http://evil.example"}}), 403);
  EXPECT_EQ(status({{"Origin", "null"}}), 403);
  EXPECT_EQ(status({{"Sec-Fetch-Site", "cross-site"}}), 403);
  EXPECT_EQ(status({{"Origin", "http://127.0.0.1:4566"}, {"Sec-Fetch-Site", "same-origin"}}), 200);
  EXPECT_EQ(status({{"Host", "millrace:80"}}), 200);
  EXPECT_EQ(status({{"Host", "dynamodb.us-east-1.amazonaws.com"}}), 200);
}

TEST_F(DispatcherTest, RefusesBeforeTheBodyIsSentWhenTheClientWaits) {
  auto head = std::make_shared<http::RequestHead>();
  head->method = "POST";
  head->path = head->target = "/";
  head->fields.add("Host", "127.0.0.1:4566");
  head->fields.add("X-Amz-Target", "DynamoDB_20120810.ListTables");
  head->has_body = true;
  head->content_length = kDynamoDbBodyBytesMax;
  EXPECT_TRUE(dispatcher_.begin(head)->body({}).ok());
  head->content_length = kDynamoDbBodyBytesMax + 1;
  EXPECT_FALSE(dispatcher_.begin(head)->body({}).ok());
}

TEST_F(DispatcherTest, TellsWhatWasNotFoundUnderWhichNames) {
  std::vector<std::string> told;
  dispatcher_.set_not_found([&](const NotFound& missing) {
    std::string line = std::string(missing.service) + " " + missing.scope.account + "/" + missing.scope.region;
    for (const auto& name : missing.names) line += " " + name;
    told.push_back(line);
  });
  const auto missing = [](const RequestContext&, const Document&) -> Result<Reply> {
    return Error(dynamodb::kResourceNotFoundException, "Requested resource not found");
  };
  for (const auto name : {"GetItem", "BatchGetItem"}) dynamodb_.on(name, missing);
  dynamodb_.on_raw("DescribeTable", [&](const RequestContext& context, std::string_view) {
    return std::optional<Result<Reply>>(missing(context, {}));
  });
  ask("POST", "/",
      {{"X-Amz-Target", "DynamoDB_20120810.GetItem"},
       {"Authorization", scope("dynamodb", "111122223333", "eu-west-1")}},
      R"({"TableName":"posts","Key":{"id":{"S":"1"}}})");
  target("DynamoDB_20120810.BatchGetItem",
         R"({"RequestItems":{"one":{"Keys":[{"id":{"S":"1"}}]},"two":{"Keys":[{"id":{"S":"1"}}]}}})");
  target("DynamoDB_20120810.DescribeTable", R"({"TableName":"raw"})");
  target("DynamoDB_20120810.PutItem", R"({"TableName":"posts","Item":{"id":{"S":"1"}}})");  // another error
  s3("PUT", "/missing/key", {}, "body");
  EXPECT_THAT(told,
              ::testing::ElementsAre("dynamodb 111122223333/eu-west-1 posts", "dynamodb 000000000000/us-east-1 one two",
                                     "dynamodb 000000000000/us-east-1 raw", "s3 000000000000/us-east-1 missing/key"));
}

TEST_F(DispatcherTest, ListsWhatIsServed) {
  const auto all = dispatcher_.served();
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all[0].service, "dynamodb");
  EXPECT_THAT(all[0].operations, ::testing::ElementsAre("ListTables", "PutItem"));
}

TEST_F(DispatcherTest, BoundsBodiesAndUndoesGzip) {
  const FieldList fields = {{"X-Amz-Target", "AmazonSQS.SendMessage"}};
  auto response = ask("POST", "/", fields, std::string(kBodyBytesMax + 1, 'x'));
  EXPECT_EQ(response.status, 413);
  const std::string json = R"({"QueueUrl":"q","MessageBody":")" + std::string(20000, 'm') + "\"}";
  ask("POST", "/", {fields[0], {"Content-Encoding", "gzip"}}, codec::gzip(json));
  EXPECT_EQ(called_, "SendMessage " + json);
  response = ask("POST", "/", {fields[0], {"Content-Encoding", "gzip"}}, codec::gzip(std::string(50u << 20, ' ')));
  EXPECT_EQ(response.status, 413);
  response = ask("POST", "/", {fields[0], {"Content-Encoding", "gzip"}}, "junk");
  EXPECT_THAT(response.body, HasSubstr("SerializationException"));
}

TEST_F(DispatcherTest, HoldsTheAnswerUntilTheCommitIsDurable) {
  commits_.hold();
  after_ = commits_.submit(storage::WriteBatch());
  const auto channel = send("POST", "/", {{"X-Amz-Target", "DynamoDB_20120810.ListTables"}}, "{}");
  EXPECT_TRUE(channel->answers.empty());
  EXPECT_GT(scheduler_.busy().count(), 0);
  commits_.commit_all();
  ASSERT_EQ(channel->answers.size(), 1u);
  EXPECT_EQ(channel->answers[0].status, 200);
  EXPECT_EQ(scheduler_.busy().count(), 0);
}

TEST_F(DispatcherTest, HoldsRefusalsUntilWhatTheyRestOnIsDurable) {
  commits_.hold();
  after_ = commits_.submit(storage::WriteBatch());
  const auto channel = send("POST", "/", {{"X-Amz-Target", "DynamoDB_20120810.PutItem"}},
                            R"({"TableName":"ttt","Item":{"id":{"S":"1"}}})");
  EXPECT_TRUE(channel->answers.empty());
  commits_.commit_all();
  ASSERT_EQ(channel->answers.size(), 1u);
  EXPECT_THAT(channel->answers[0].body, HasSubstr("#ConditionalCheckFailedException"));
}

TEST_F(DispatcherTest, AnswersAnUnknownOutcomeWhenTheCommitFails) {
  commits_.hold();
  after_ = commits_.submit(storage::WriteBatch());
  const auto channel = send("POST", "/", {{"X-Amz-Target", "DynamoDB_20120810.ListTables"}}, "{}");
  store_.fail_write_after(0);
  commits_.commit_all();
  ASSERT_EQ(channel->answers.size(), 1u);
  EXPECT_EQ(channel->answers[0].status, 500);
  EXPECT_THAT(channel->answers[0].body, HasSubstr("#InternalServerError"));
}

TEST_F(DispatcherTest, AppliesFaults) {
  Fault fault;
  fault.service = "dynamodb";
  fault.count = 1;
  faults_.add(fault);
  auto response = target("DynamoDB_20120810.ListTables", "{}");
  EXPECT_THAT(response.body, HasSubstr("#ProvisionedThroughputExceededException"));
  EXPECT_EQ(target("DynamoDB_20120810.ListTables", "{}").status, 200);
  fault = Fault();
  fault.service = "s3";
  fault.operation = "DeleteObject";
  fault.resource = "b/uploads/*";
  faults_.add(fault);
  EXPECT_THAT(s3("DELETE", "/b/uploads/1"), HasSubstr("503 "));
  EXPECT_EQ(s3("DELETE", "/b/other"), R"(DeleteObject {"Bucket":"b","Key":"other"})");
}

TEST_F(DispatcherTest, DelaysByTheClockAndLosesAnswersAfterTheWork) {
  Fault fault;
  fault.action = FaultAction::kDelay;
  fault.delay = Seconds(5);
  fault.count = 1;
  faults_.add(fault);
  const auto channel = send("POST", "/", {{"X-Amz-Target", "DynamoDB_20120810.ListTables"}}, "{}");
  EXPECT_TRUE(channel->answers.empty());
  EXPECT_EQ(scheduler_.busy().count(), 0);
  scheduler_.advance(Seconds(5));
  EXPECT_EQ(channel->answers.size(), 1u);
  fault.action = FaultAction::kLoseAnswer;
  faults_.add(fault);
  called_.clear();
  const auto response = ask("DELETE", "/b/k", {{"Authorization", scope("s3")}});
  EXPECT_EQ(called_, R"(DeleteObject {"Bucket":"b","Key":"k"})");
  EXPECT_TRUE(response.abandon);
}

TEST_F(DispatcherTest, UsesTheRawHandlerAndFallsBack) {
  dynamodb_.on("GetItem", [](const RequestContext&, const Document& input) -> Result<Reply> {
    Reply reply;
    reply.json = "{\"generic\":" + input.dump() + "}";
    return reply;
  });
  dynamodb_.on_raw("GetItem", [](const RequestContext&, std::string_view body) -> std::optional<Result<Reply>> {
    if (body != "fast") return std::nullopt;
    Reply reply;
    reply.json = "{\"raw\":1}";
    return reply;
  });
  EXPECT_EQ(target("DynamoDB_20120810.GetItem", "fast").body, "{\"raw\":1}");
  EXPECT_EQ(target("DynamoDB_20120810.GetItem", R"({"TableName":"ttt","Key":{}})").body,
            R"({"generic":{"TableName":"ttt","Key":{}}})");
  EXPECT_EQ(target("DynamoDB_20120810.GetItem", "slow").status, 400);
}

TEST_F(DispatcherTest, RunsAgainOnThePoolWhatIsNotInMemory) {
  int runs = 0;
  const auto read = [&]() -> Result<Reply> {
    ++runs;
    MR_ASSIGN_OR_RETURN(const auto found, store_.get(storage::Family::kItems, "key"));
    Reply reply;
    reply.json = found ? *found : "{}";
    return reply;
  };
  dynamodb_.on("GetItem", [&](const RequestContext&, const Document&) { return read(); });
  dynamodb_.on_raw("GetItem", [&](const RequestContext&, std::string_view body) -> std::optional<Result<Reply>> {
    if (body != "fast") return std::nullopt;
    return read();
  });
  dynamodb_.reads_disk({"GetItem"});
  for (const std::string body : {"fast", R"({"TableName":"ttt","Key":{}})"}) {
    runs = 0;
    store_.set_cold(true);
    const auto channel =
        send("POST", "/", {{"X-Amz-Target", "DynamoDB_20120810.GetItem"}, {"Authorization", scope("dynamodb")}}, body);
    EXPECT_TRUE(channel->answers.empty());
    EXPECT_GT(scheduler_.busy().count(), 0);
    scheduler_.run_ready();
    ASSERT_EQ(channel->answers.size(), 1u);
    EXPECT_EQ(channel->answers[0].body, "{}");
    EXPECT_EQ(scheduler_.busy().count(), 0);
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(target("DynamoDB_20120810.GetItem", body).body, "{}");  // now at once
  }
  EXPECT_NE(registry_.prometheus().find("millrace_reads_offloaded_total 2"), std::string::npos)
      << registry_.prometheus();
}

TEST_F(DispatcherTest, RunsOnThePoolWhatAlwaysReadsTheDisk) {
  dynamodb_.on("ListTables", [&](const RequestContext&, const Document&) -> Result<Reply> {
    EXPECT_FALSE(storage::NoBlocking::active());
    return Reply();
  });
  dynamodb_.on_pool({"ListTables"});
  const auto channel =
      send("POST", "/", {{"X-Amz-Target", "DynamoDB_20120810.ListTables"}, {"Authorization", scope("dynamodb")}}, "{}");
  EXPECT_TRUE(channel->answers.empty());
  scheduler_.run_ready();
  EXPECT_EQ(channel->answers.size(), 1u);
}

TEST_F(DispatcherTest, AnswersConversationsOnceAndLater) {
  Done done;
  sqs_.on_async("ReceiveMessage", [&](const RequestContext&, const Document&, Conversation conversation) {
    done = std::move(conversation.done);
  });
  const auto channel =
      send("POST", "/", {{"X-Amz-Target", "AmazonSQS.ReceiveMessage"}}, R"({"QueueUrl":"q","WaitTimeSeconds":20})");
  EXPECT_TRUE(channel->answers.empty());
  EXPECT_EQ(scheduler_.busy().count(), 0);
  done(Reply());
  done(Reply());
  EXPECT_EQ(channel->answers.size(), 1u);
}

TEST_F(DispatcherTest, CountsOperations) {
  target("DynamoDB_20120810.ListTables", "{}");
  target("DynamoDB_20120810.ListTables", R"({"Limit":500})");
  const auto records = dispatcher_.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].operation, "ListTables");
  EXPECT_EQ(records[0].requests, 2u);
  EXPECT_EQ(records[0].client_errors, 1u);
  EXPECT_THAT(registry_.prometheus(), HasSubstr("millrace_requests_total{"));
}

TEST_F(DispatcherTest, GivesAdminPathsToTheAdmin) {
  class Admin final : public http::Application {
   public:
    std::unique_ptr<http::RequestSink> begin(std::shared_ptr<const http::RequestHead> head) override {
      class Sink final : public http::RequestSink {
       public:
        Result<void> body(std::string_view) override { return {}; }
        void end(http::Responder respond) override { respond(http::Response{.status = 299}); }
      };
      (void)head;
      return std::make_unique<Sink>();
    }
  } admin;
  dispatcher_.set_admin(admin);
  EXPECT_EQ(ask("GET", "/_millrace/health", {}).status, 299);
  EXPECT_EQ(ask("GET", "/metrics", {}).status, 299);
  EXPECT_EQ(ask("GET", "/_millrace/health", {{"Host", "evil.example"}}).status, 403);
}

}  // namespace
}  // namespace millrace::wire
