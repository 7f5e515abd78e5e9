// The Lambda operations on functions, from decoded request to answer, over a runtime that echoes.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "api/lambda/service.h"
#include "crypto/encoding.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "testing/zip.h"

namespace millrace::api_lambda {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using wire::Document;

class EchoRuntimes : public runtimes::RuntimeFactory {
 public:
  explicit EchoRuntimes(platform::Scheduler& scheduler) : scheduler_(scheduler) {}
  std::shared_ptr<runtimes::Runtime> create(runtimes::FunctionSpec) override {
    return std::make_shared<Echo>(scheduler_);
  }
  std::string describe(std::string_view) override { return "echo"; }

 private:
  class Echo : public runtimes::Runtime {
   public:
    explicit Echo(platform::Scheduler& scheduler) : scheduler_(scheduler) {}
    void invoke(runtimes::Invocation invocation, std::function<void(runtimes::Outcome)> done) override {
      scheduler_.post([invocation, done] {
        done({.payload = invocation.payload,
              .function_error = invocation.payload == "\"fail\"" ? "Unhandled" : "",
              .log_tail = "id " + invocation.request_id + " context " + invocation.client_context});
      });
    }
    void stop() override {}

   private:
    platform::Scheduler& scheduler_;
  };
  platform::Scheduler& scheduler_;
};

class LambdaFunctionsTest : public ::testing::Test {
 protected:
  LambdaFunctionsTest() {
    std::string pattern = (fs::temp_directory_path() / "millrace-lambda-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    engine_ = std::make_unique<functions::Functions>(
        functions::Services{store_, commits_, scheduler_, random_, registry_, delivery_, runtimes_},
        functions::Options{.folder = folder_});
    EXPECT_TRUE(engine_->load().ok());
    service_ = make_lambda_service(*engine_);
    context_.service_host = "http://127.0.0.1:4566";
    context_.request_id = "rid-1";
  }
  ~LambdaFunctionsTest() override { fs::remove_all(folder_); }

  static std::string zip_base64() { return crypto::base64_encode(testing::zip_of("index.js", "code")); }
  static Document create_request(const std::string& name, const std::string& more = "{}") {
    auto request = Document::object({{"FunctionName", name},
                                     {"Runtime", "nodejs20.x"},
                                     {"Role", "arn:aws:iam::000000000000:role/r"},
                                     {"Handler", "index.handler"},
                                     {"Code", Document::object({{"ZipFile", zip_base64()}})}});
    const auto added = codec::parse_json(more);
    for (const auto& [key, value] : added->as_object()) request.set(key, value);
    return request;
  }

  // `input`: a document, or its JSON text.
  Result<wire::Reply> call(std::string_view operation, Document input) {
    if (input.is_string()) input = codec::parse_json(input.as_string()).value();
    const auto* entry = service_->find(operation);
    EXPECT_NE(entry, nullptr) << operation;
    std::optional<Result<wire::Reply>> answer;
    if (entry->handler) {
      answer = entry->handler(context_, input);
    } else {
      entry->async(context_, input,
                   {[&](Result<wire::Reply> reply) { answer = std::move(reply); }, [] { return false; }, [](auto) {}});
    }
    scheduler_.run_ready();
    EXPECT_TRUE(answer.has_value()) << operation;
    return std::move(*answer);
  }
  Document ok(std::string_view operation, const Document& input) {
    auto reply = call(operation, input);
    EXPECT_TRUE(reply.ok()) << reply.error().message();
    return reply.ok() ? std::move(reply->output) : Document();
  }
  std::string error(std::string_view operation, const Document& input) {
    const auto reply = call(operation, input);
    return reply.ok() ? "no error" : std::string(reply.error().type().name) + ": " + reply.error().message();
  }
  void create(const std::string& name, const std::string& more = "{}") {
    const auto reply = call("CreateFunction", create_request(name, more));
    ASSERT_TRUE(reply.ok()) << reply.error().message();
    EXPECT_EQ(reply->status, 201);
    EXPECT_GT(reply->after, 0u);
  }

  fs::path folder_;
  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{3};
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  telemetry::Registry registry_;
  delivery::Delivery delivery_;
  EchoRuntimes runtimes_{scheduler_};
  std::unique_ptr<functions::Functions> engine_;
  std::unique_ptr<wire::Service> service_;
  wire::RequestContext context_;
};

TEST_F(LambdaFunctionsTest, AFunctionIsShownWithEveryMemberItWasGiven) {
  create("f", R"({"Timeout":9,"MemorySize":256,"Description":"d","Environment":{"Variables":{"A":"b"}},
                  "EphemeralStorage":{"Size":1024},"Tags":{"k":"v"},"Architectures":["x86_64"],
                  "LoggingConfig":{"LogFormat":"JSON","ApplicationLogLevel":"WARN","LogGroup":"/g"}})");
  const auto shown = ok("GetFunction", R"({"FunctionName":"f"})");
  const auto& configuration = *shown.find("Configuration");
  EXPECT_EQ(configuration.string_or("FunctionArn", ""), "arn:aws:lambda:us-east-1:000000000000:function:f");
  EXPECT_EQ(configuration.int_or("Timeout", 0), 9);
  EXPECT_EQ(configuration.int_or("MemorySize", 0), 256);
  EXPECT_EQ(configuration.string_or("LastModified", ""), "2026-01-01T00:00:00.000+0000");
  EXPECT_EQ(configuration.find("Environment")->dump(), R"({"Variables":{"A":"b"}})");
  EXPECT_EQ(configuration.find("LoggingConfig")->dump(),
            R"({"LogFormat":"JSON","LogGroup":"/g","ApplicationLogLevel":"WARN","SystemLogLevel":"INFO"})");
  EXPECT_EQ(configuration.string_or("State", ""), "Active");
  EXPECT_EQ(shown.find("Tags")->dump(), R"({"k":"v"})");
  EXPECT_THAT(shown.find("Code")->string_or("Location", ""), HasSubstr("/f/code.zip"));
  EXPECT_EQ(
      ok("GetFunctionConfiguration", R"({"FunctionName":"f","Qualifier":"$LATEST"})").string_or("FunctionArn", ""),
      "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
  EXPECT_EQ(error("GetFunction", R"({"FunctionName":"f","Qualifier":"3"})"),
            "ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:3");
}

TEST_F(LambdaFunctionsTest, WhatIsNotServedIsRefusedByName) {
  for (const char* more :
       {R"({"VpcConfig":{"SubnetIds":["s"]}})", R"({"FileSystemConfigs":[{"Arn":"a","LocalMountPath":"/mnt/a"}]})",
        R"({"KMSKeyArn":"arn"})", R"({"SnapStart":{"ApplyOn":"PublishedVersions"}})",
        R"({"ImageConfig":{"Command":["a"]}})", R"({"PackageType":"Image"})", R"({"CodeSigningConfigArn":"arn"})"}) {
    const auto member = codec::parse_json(more)->as_object()[0].first;
    EXPECT_THAT(error("CreateFunction", create_request("f", more)), HasSubstr(": " + member)) << more;
  }
  create("f", R"({"VpcConfig":{"SubnetIds":[],"SecurityGroupIds":[]},"TracingConfig":{"Mode":"PassThrough"},
                  "Layers":[],"SnapStart":{"ApplyOn":"None"},"Publish":false})");
}

TEST_F(LambdaFunctionsTest, CodeNeedsExactlyOneSource) {
  EXPECT_THAT(error("CreateFunction", create_request("f", R"({"Code":{}})")), HasSubstr("Please provide a source"));
  EXPECT_THAT(error("CreateFunction", create_request("f", R"({"Code":{"ZipFile":"AAAA","S3Bucket":"b","S3Key":"k"}})")),
              HasSubstr("do not provide other FunctionCode parameters"));
  EXPECT_THAT(error("CreateFunction", create_request("f", R"({"Code":{"ZipFile":"AAAA"}})")),
              HasSubstr("Could not unzip uploaded file"));
  create("f");
  EXPECT_THAT(error("UpdateFunctionCode", R"({"FunctionName":"f","ZipFile":"AAAA"})"), HasSubstr("Could not unzip"));
}

TEST_F(LambdaFunctionsTest, ChangesShowUpAndRevisionsGuardThem) {
  create("f", R"({"Description":"d"})");
  const auto before = ok("GetFunctionConfiguration", R"({"FunctionName":"f"})");
  const auto after = ok("UpdateFunctionConfiguration", R"({"FunctionName":"f","Timeout":60})");
  EXPECT_EQ(after.int_or("Timeout", 0), 60);
  EXPECT_EQ(after.string_or("Description", ""), "d");
  EXPECT_THAT(error("UpdateFunctionConfiguration",
                    Document::object({{"FunctionName", "f"}, {"RevisionId", before.string_or("RevisionId", "")}})),
              HasSubstr("PreconditionFailedException"));
  const auto code = call("UpdateFunctionCode",
                         Document::object({{"FunctionName", "f"}, {"ZipFile", zip_base64()}, {"DryRun", true}}));
  ASSERT_TRUE(code.ok());
  EXPECT_EQ(ok("GetFunctionConfiguration", R"({"FunctionName":"f"})").string_or("RevisionId", ""),
            after.string_or("RevisionId", ""));
}

TEST_F(LambdaFunctionsTest, InvokeAnswersPayloadErrorAndLog) {
  create("f");
  const auto payload = [](const std::string& text) { return crypto::base64_encode(text); };
  auto reply = call("Invoke", Document::object({{"FunctionName", "f"},
                                                {"Payload", payload("{\"a\":1}")},
                                                {"LogType", "Tail"},
                                                {"ClientContext", payload("{\"custom\":{}}")}}));
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->payload, "{\"a\":1}");
  EXPECT_EQ(reply->output.find("FunctionError"), nullptr);
  EXPECT_EQ(reply->output.string_or("ExecutedVersion", ""), "$LATEST");
  EXPECT_EQ(crypto::base64_decode(reply->output.string_or("LogResult", "")), "id rid-1 context {\"custom\":{}}");
  reply = call("Invoke", Document::object({{"FunctionName", "f"}, {"Payload", payload("\"fail\"")}}));
  EXPECT_EQ(reply->output.string_or("FunctionError", ""), "Unhandled");
  EXPECT_EQ(reply->output.find("LogResult"), nullptr);
  EXPECT_THAT(error("Invoke", Document::object({{"FunctionName", "f"}, {"Payload", payload("{")}})),
              HasSubstr("InvalidRequestContentException: Could not parse request body into json"));
  EXPECT_THAT(error("Invoke", R"({"FunctionName":"f","ClientContext":"%%"})"), HasSubstr("Client context"));
  EXPECT_THAT(error("Invoke", R"({"FunctionName":"f:1","Qualifier":"2"})"), HasSubstr("derived qualifier"));
}

TEST_F(LambdaFunctionsTest, EventsAreAcceptedAndDryRunsRunNothing) {
  create("f");
  const auto accepted = call("Invoke", R"({"FunctionName":"f","InvocationType":"Event"})");
  EXPECT_EQ(accepted->status, 202);
  EXPECT_GT(accepted->after, 0u);
  EXPECT_EQ(engine_->history({Scope{}, "f"}).size(), 1u);
  EXPECT_EQ(call("Invoke", R"({"FunctionName":"f","InvocationType":"DryRun"})")->status, 204);
  EXPECT_EQ(engine_->history({Scope{}, "f"}).size(), 1u);
  EXPECT_EQ(call("InvokeAsync", R"({"FunctionName":"f","InvokeArgs":"e30="})")->status, 202);
  EXPECT_THAT(error("Invoke", R"({"FunctionName":"g","InvocationType":"Event"})"), HasSubstr("Function not found"));
}

TEST_F(LambdaFunctionsTest, ConcurrencyIsReservedAndReleased) {
  create("f");
  EXPECT_EQ(ok("GetFunctionConcurrency", R"({"FunctionName":"f"})").dump(), "{}");
  EXPECT_EQ(ok("PutFunctionConcurrency", R"({"FunctionName":"f","ReservedConcurrentExecutions":0})").dump(),
            R"({"ReservedConcurrentExecutions":0})");
  EXPECT_THAT(error("Invoke", R"({"FunctionName":"f"})"), HasSubstr("TooManyRequestsException: Rate Exceeded."));
  EXPECT_EQ(call("DeleteFunctionConcurrency", R"({"FunctionName":"f"})")->status, 204);
  EXPECT_THAT(error("PutFunctionConcurrency", R"({"FunctionName":"f","ReservedConcurrentExecutions":901})"),
              HasSubstr("below its minimum value of [100]"));
  EXPECT_THAT(error("PutFunctionConcurrency", R"({"FunctionName":"f:$LATEST","ReservedConcurrentExecutions":1})"),
              HasSubstr("permitted on Lambda functions only"));
  EXPECT_EQ(ok("GetAccountSettings", "{}").find("AccountLimit")->int_or("UnreservedConcurrentExecutions", 0), 1000);
}

TEST_F(LambdaFunctionsTest, EventInvokeConfigsAreShownWithTheQualifiedArn) {
  create("f");
  create("g");
  EXPECT_THAT(error("PutFunctionEventInvokeConfig",
                    R"({"FunctionName":"f","DestinationConfig":{"OnFailure":
                       {"Destination":"arn:aws:lambda:us-east-1:000000000000:function:f"}}})"),
              HasSubstr("as a destination for itself"));
  const auto config = ok("PutFunctionEventInvokeConfig", R"({"FunctionName":"f","MaximumRetryAttempts":1})");
  EXPECT_EQ(config.string_or("FunctionArn", ""), "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
  EXPECT_EQ(config.find("DestinationConfig")->dump(), R"({"OnSuccess":{},"OnFailure":{}})");
  const auto merged = ok("UpdateFunctionEventInvokeConfig", R"({"FunctionName":"f","MaximumEventAgeInSeconds":60})");
  EXPECT_EQ(merged.int_or("MaximumRetryAttempts", 0), 1);
  EXPECT_EQ(ok("ListFunctionEventInvokeConfigs", R"({"FunctionName":"f"})")
                .find("FunctionEventInvokeConfigs")
                ->as_array()
                .size(),
            1u);
  EXPECT_EQ(call("DeleteFunctionEventInvokeConfig", R"({"FunctionName":"f"})")->status, 204);
  EXPECT_THAT(error("GetFunctionEventInvokeConfig", R"({"FunctionName":"f"})"),
              HasSubstr("doesn't have an EventInvokeConfig"));
}

TEST_F(LambdaFunctionsTest, ListsComeInPagesByName) {
  for (const char* name : {"b", "a", "c"}) create(name);
  const auto first = ok("ListFunctions", R"({"MaxItems":2})");
  EXPECT_EQ(first.find("Functions")->as_array().size(), 2u);
  EXPECT_EQ(first.string_or("NextMarker", ""), "b");
  const auto second = ok("ListFunctions", R"({"Marker":"b"})");
  EXPECT_EQ(second.find("Functions")->as_array()[0].string_or("FunctionName", ""), "c");
  EXPECT_EQ(second.find("NextMarker"), nullptr);
  EXPECT_EQ(ok("ListVersionsByFunction", R"({"FunctionName":"a"})").find("Versions")->as_array().size(), 1u);
}

TEST_F(LambdaFunctionsTest, TagsAndDeletion) {
  create("f", R"({"Tags":{"a":"1"}})");
  const std::string arn = R"("Resource":"arn:aws:lambda:us-east-1:000000000000:function:f")";
  EXPECT_EQ(call("TagResource", "{" + arn + R"(,"Tags":{"b":"2"}})")->status, 204);
  EXPECT_EQ(call("UntagResource", "{" + arn + R"(,"TagKeys":["a"]})")->status, 204);
  EXPECT_EQ(ok("ListTags", "{" + arn + "}").dump(), R"({"Tags":{"b":"2"}})");
  EXPECT_EQ(call("DeleteFunction", R"({"FunctionName":"f"})")->status, 204);
  EXPECT_THAT(error("DeleteFunction", R"({"FunctionName":"f"})"), HasSubstr("ResourceNotFoundException"));
}

// What an answer rests on may be taken back by a power cut until it is durable.
TEST_F(LambdaFunctionsTest, RefusalsWaitForTheChangesTheyRestOn) {
  ok("CreateFunction", create_request("f"));
  ok("PublishLayerVersion",
     Document::object({{"LayerName", "l"}, {"Content", Document::object({{"ZipFile", zip_base64()}})}}));
  commits_.hold();
  const auto held = [this](std::string_view operation, const Document& input) {
    const auto reply = call(operation, input);
    return !reply.ok() && reply.error().held_until() > commits_.durable();
  };
  ok("CreateFunction", create_request("g"));
  EXPECT_TRUE(held("CreateFunction", create_request("g"))) << "a conflict with what is not durable yet";
  EXPECT_TRUE(call("DeleteFunction", R"({"FunctionName":"f"})").ok());
  for (const char* operation : {"DeleteFunction", "GetFunction", "Invoke", "GetFunctionUrlConfig", "ListAliases",
                                "PublishVersion", "GetPolicy", "GetFunctionConcurrency"}) {
    EXPECT_TRUE(held(operation, R"({"FunctionName":"f"})")) << operation;
  }
  commits_.commit_all();
  EXPECT_FALSE(held("GetFunction", R"({"FunctionName":"f"})")) << "nothing is pending";
  EXPECT_TRUE(call("DeleteLayerVersion", R"({"LayerName":"l","VersionNumber":1})").ok());
  EXPECT_TRUE(held("GetLayerVersion", R"({"LayerName":"l","VersionNumber":1})"));
  commits_.release();
}

TEST_F(LambdaFunctionsTest, LayersAreNumberedAndCheckedWhenAFunctionNamesThem) {
  const auto content = R"("Content":{"ZipFile":")" + zip_base64() + "\"}";
  const auto publish = R"({"LayerName":"l","CompatibleRuntimes":["nodejs20.x"],)" + content + "}";
  const auto first = ok("PublishLayerVersion", publish);
  const std::string arn = "arn:aws:lambda:us-east-1:000000000000:layer:l";
  EXPECT_EQ(first.string_or("LayerVersionArn", ""), arn + ":1");
  EXPECT_EQ(ok("PublishLayerVersion", publish).int_or("Version", 0), 2);
  create("f", R"({"Layers":[")" + arn + ":1\"]}");
  const auto shown = ok("GetFunctionConfiguration", R"({"FunctionName":"f"})");
  EXPECT_EQ(shown.find("Layers")->as_array().at(0).string_or("Arn", ""), arn + ":1");
  EXPECT_GT(shown.find("Layers")->as_array().at(0).int_or("CodeSize", 0), 0);
  const auto use = [&](const std::string& arns) {
    return error("UpdateFunctionConfiguration", R"({"FunctionName":"f","Layers":[)" + arns + "]}");
  };
  EXPECT_EQ(use("\"" + arn + ":9\""), "InvalidParameterValueException: Layer version " + arn + ":9 does not exist.");
  EXPECT_THAT(use("\"" + arn + ":1\",\"" + arn + ":2\""), HasSubstr("Two different versions of the same layer"));
  EXPECT_THAT(use(R"("arn:aws:lambda:eu-west-1:000000000000:layer:l:1")"), HasSubstr("not in the same region"));
  EXPECT_EQ(call("DeleteLayerVersion", R"({"LayerName":"l","VersionNumber":1})")->status, 204);
  EXPECT_EQ(use("\"" + arn + ":1\""), "no error") << "a deleted version stays for who uses it";
  EXPECT_THAT(error("CreateFunction", create_request("g", R"({"Layers":[")" + arn + ":1\"]}")),
              HasSubstr("does not exist"));
  EXPECT_EQ(ok("ListLayerVersions", R"({"LayerName":"l"})").find("LayerVersions")->as_array().size(), 1u);
  EXPECT_EQ(error("GetLayerVersion", R"({"LayerName":"l","VersionNumber":1})"),
            "ResourceNotFoundException: The resource you requested does not exist.");
  const auto added = ok("AddLayerVersionPermission",
                        R"({"LayerName":"l","VersionNumber":2,"StatementId":"s","Action":"lambda:GetLayerVersion",
                            "Principal":"*","OrganizationId":"o-1"})");
  EXPECT_THAT(std::string(added.string_or("Statement", "")), HasSubstr(R"("aws:PrincipalOrgID":"o-1")"));
  EXPECT_THAT(error("RemoveLayerVersionPermission", R"({"LayerName":"l","VersionNumber":2,"StatementId":"x"})"),
              HasSubstr("Statement x is not found in resource policy."));
}

TEST_F(LambdaFunctionsTest, VersionsAndAliasesAreShownAsAwsShowsThem) {
  const auto created = call("CreateFunction", create_request("f", R"({"Publish":true})"));
  ASSERT_TRUE(created.ok());
  EXPECT_EQ(created->output.string_or("Version", ""), "1");
  EXPECT_EQ(created->output.string_or("FunctionArn", ""), "arn:aws:lambda:us-east-1:000000000000:function:f");
  ok("UpdateFunctionConfiguration", R"({"FunctionName":"f","Timeout":9})");
  const auto second = ok("PublishVersion", R"({"FunctionName":"f","Description":"two"})");
  EXPECT_EQ(second.string_or("FunctionArn", ""), "arn:aws:lambda:us-east-1:000000000000:function:f:2");
  EXPECT_EQ(second.string_or("Description", ""), "two");
  const auto alias = ok("CreateAlias",
                        R"({"FunctionName":"f","Name":"live","FunctionVersion":"1","Description":"d",
                            "RoutingConfig":{"AdditionalVersionWeights":{"2":0.1}}})");
  EXPECT_EQ(alias.string_or("AliasArn", ""), "arn:aws:lambda:us-east-1:000000000000:function:f:live");
  EXPECT_EQ(alias.find("RoutingConfig")->dump(), R"({"AdditionalVersionWeights":{"2":0.1}})");
  const auto shown = ok("GetFunctionConfiguration", R"({"FunctionName":"f","Qualifier":"live"})");
  EXPECT_EQ(shown.string_or("FunctionArn", ""), "arn:aws:lambda:us-east-1:000000000000:function:f:live");
  EXPECT_EQ(shown.string_or("Version", ""), "1");
  EXPECT_EQ(shown.int_or("Timeout", 0), 3);
  const auto page = ok("ListVersionsByFunction", R"({"FunctionName":"f","MaxItems":2})");
  EXPECT_EQ(page.find("Versions")->as_array().size(), 2u);
  const auto rest = ok("ListVersionsByFunction",
                       R"({"FunctionName":"f","Marker":")" + std::string(page.string_or("NextMarker", "")) + "\"}");
  EXPECT_EQ(rest.find("Versions")->as_array().at(0).string_or("Version", ""), "2");
  EXPECT_EQ(ok("ListFunctions", R"({"FunctionVersion":"ALL"})").find("Functions")->as_array().size(), 3u);
  EXPECT_EQ(ok("ListAliases", R"({"FunctionName":"f","FunctionVersion":"2"})").find("Aliases")->as_array().size(), 1u);
  EXPECT_EQ(error("DeleteFunction", R"({"FunctionName":"f","Qualifier":"live"})"),
            "InvalidParameterValueException: Deletion of aliases is not currently supported.");
  EXPECT_EQ(call("DeleteAlias", R"({"FunctionName":"f","Name":"live"})")->status, 204);
  EXPECT_EQ(call("DeleteFunction", R"({"FunctionName":"f:1"})")->status, 204);
  EXPECT_EQ(error("GetFunction", R"({"FunctionName":"f:1"})"),
            "ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:1");
}

}  // namespace
}  // namespace millrace::api_lambda
