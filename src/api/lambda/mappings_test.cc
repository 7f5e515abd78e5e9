#include "api/lambda/mappings.h"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/lambda/internal/mapping_document.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "wire/generated/lambda.h"

namespace millrace::api_lambda {
namespace {

using wire::Document;

constexpr const char* kStream = "arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/2026-01-01T00:00:00.000";
constexpr const char* kQueue = "arn:aws:sqs:us-east-1:000000000000:failed";

class NoStreams final : public triggers::EventSource {
 public:
  Result<triggers::StreamInfo> describe(const std::string&) override { return triggers::StreamInfo{}; }
  Result<triggers::Page> read(const triggers::ReadRequest&) override { return triggers::Page{}; }
  triggers::Backlog backlog(const std::string&, std::uint64_t, triggers::SequenceNumber) override { return {}; }
  triggers::Subscription subscribe(const std::string&, std::function<void(std::uint64_t)>) override { return nullptr; }
};
class NoFunctions final : public triggers::Invoker {
 public:
  void invoke(triggers::InvokeRequest, std::function<void(triggers::InvokeResult)> done) override { done({}); }
};
class NoSettlement final : public triggers::Settlement {
 public:
  Result<void> settle(storage::WriteBatch, const triggers::Letter&) override { return {}; }
};

class MappingOperations : public ::testing::Test {
 protected:
  MappingOperations() {
    register_mapping_operations(service, engine,
                                {.function_exists = [this](const std::string& arn) { return functions.count(arn) > 0; },
                                 .stream_exists = [](const std::string& arn) { return arn == kStream; },
                                 .check_destination = [](const std::string& arn) -> Result<void> {
                                   if (arn == kQueue) return {};
                                   return Error(kNotFound, "no such queue");
                                 }});
  }

  Result<wire::Reply> call(const std::string& operation, const Document& request) {
    wire::RequestContext context;
    context.caller.scope = scope;
    return service.find(operation)->handler(context, request);
  }
  Document ask(const std::string& operation, const Document& request) {
    auto reply = call(operation, request);
    EXPECT_TRUE(reply.ok()) << reply.error().message();
    return reply.ok() ? reply->output : Document();
  }
  std::string refusal(const std::string& operation, const Document& request, const ErrorType& type) {
    const auto reply = call(operation, request);
    if (reply.ok()) return "it was accepted";
    EXPECT_EQ(reply.error().type().name, type.name);
    return reply.error().message();
  }
  std::string invalid(const Document& request) {
    return refusal("CreateEventSourceMapping", request, wire::lambda::kInvalidParameterValueException);
  }
  static Document request() {
    return Document::object({{"FunctionName", "f"}, {"EventSourceArn", kStream}, {"StartingPosition", "TRIM_HORIZON"}});
  }
  static Document with(std::string_view member, Document value) {
    Document out = request();
    out.set(member, std::move(value));
    return out;
  }
  static Document uuid_of(const Document& mapping) {
    return Document::object({{"UUID", std::string(mapping.string_or("UUID", ""))}});
  }

  Scope scope;
  std::set<std::string> functions{"arn:aws:lambda:us-east-1:000000000000:function:f",
                                  "arn:aws:lambda:us-east-1:000000000000:function:f:live",
                                  "arn:aws:lambda:us-east-1:000000000000:function:g"};
  testing::VirtualScheduler scheduler;
  storage::MemoryStore store;
  testing::TestCommits commits{store, scheduler};
  platform::SeededRandom random{7};
  telemetry::Registry registry;
  NoStreams streams;
  NoFunctions invoker;
  NoSettlement settlement;
  triggers::Engine engine{{scheduler, random, registry, store, commits}, {streams, invoker, settlement}};
  wire::Service service{wire::lambda::kModel};
};

TEST_F(MappingOperations, AFreshMappingHasTheRecordedMembersInTheirOrder) {
  const Document created = ask("CreateEventSourceMapping", request());
  const std::string uuid(created.string_or("UUID", ""));
  EXPECT_EQ(
      created.dump(),
      R"({"UUID":")" + uuid +
          R"(","StartingPosition":"TRIM_HORIZON","BatchSize":100,"MaximumBatchingWindowInSeconds":0,)"
          R"("ParallelizationFactor":1,"EventSourceArn":")" +
          kStream +
          R"(","FunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:f","LastModified":1767225600,)"
          R"("LastProcessingResult":"No records processed","State":"Creating","StateTransitionReason":"User action",)"
          R"("DestinationConfig":{"OnFailure":{}},"MaximumRecordAgeInSeconds":-1,"BisectBatchOnFunctionError":false,)"
          R"("MaximumRetryAttempts":-1,"TumblingWindowInSeconds":0,"FunctionResponseTypes":[],)"
          R"("EventSourceMappingArn":"arn:aws:lambda:us-east-1:000000000000:event-source-mapping:)" +
          uuid + "\"}");
}

TEST_F(MappingOperations, StatesFollowTheChanges) {
  const Document id = uuid_of(ask("CreateEventSourceMapping", request()));
  const auto state = [](const Document& mapping) { return std::string(mapping.string_or("State", "")); };
  EXPECT_EQ(state(ask("GetEventSourceMapping", id)), "Enabled");
  EXPECT_EQ(state(ask("UpdateEventSourceMapping", Document(id).set("BatchSize", 7))), "Updating");
  EXPECT_EQ(ask("GetEventSourceMapping", id).int_or("BatchSize", 0), 7);
  EXPECT_EQ(state(ask("UpdateEventSourceMapping", Document(id).set("Enabled", false))), "Disabling");
  EXPECT_EQ(state(ask("GetEventSourceMapping", id)), "Disabled");
  EXPECT_EQ(state(ask("UpdateEventSourceMapping", Document(id).set("Enabled", true))), "Enabling");
  EXPECT_EQ(state(ask("DeleteEventSourceMapping", id)), "Deleting");
  EXPECT_EQ(refusal("GetEventSourceMapping", id, wire::lambda::kResourceNotFoundException),
            "The resource you requested does not exist.");
  EXPECT_EQ(refusal("UpdateEventSourceMapping", id, wire::lambda::kResourceNotFoundException),
            "The resource you requested does not exist.");
  EXPECT_EQ(refusal("DeleteEventSourceMapping", id, wire::lambda::kResourceNotFoundException),
            "The resource you requested does not exist.");
}

TEST_F(MappingOperations, LaterAnswersCutLastModifiedToTheMinute) {
  scheduler.advance(Milliseconds(90'250));
  const Document created = ask("CreateEventSourceMapping", request());
  EXPECT_EQ(created.find("LastModified")->as_double(), 1767225690.25);
  EXPECT_EQ(ask("GetEventSourceMapping", uuid_of(created)).find("LastModified")->as_double(), 1767225660.0);
}

TEST_F(MappingOperations, EverySettingIsShownAndCanBeCleared) {
  Document full = request();
  full.set("BatchSize", 10000).set("MaximumBatchingWindowInSeconds", 300).set("ParallelizationFactor", 10);
  full.set("MaximumRecordAgeInSeconds", 60).set("MaximumRetryAttempts", 2).set("BisectBatchOnFunctionError", true);
  full.set("FunctionResponseTypes", Document::array({Document("ReportBatchItemFailures")}));
  const Document filter = Document::object({{"Pattern", R"({"eventName":["REMOVE"]})"}});
  full.set("FilterCriteria", Document::object({{"Filters", Document::array({filter})}}));
  full.set("DestinationConfig", Document::object({{"OnFailure", Document::object({{"Destination", kQueue}})}}));
  full.set("MetricsConfig", Document::object({{"Metrics", Document::array({Document("EventCount")})}}));
  const Document created = ask("CreateEventSourceMapping", full);
  for (const auto& [name, value] : full.as_object()) {
    if (name == "FunctionName") continue;
    ASSERT_NE(created.find(name), nullptr) << name;
    EXPECT_EQ(*created.find(name), value) << name;
  }
  Document clear = uuid_of(created);
  clear.set("FilterCriteria", Document::object()).set("FunctionResponseTypes", Document::array());
  clear.set("DestinationConfig", Document::object({{"OnFailure", Document::object({{"Destination", ""}})}}));
  clear.set("MetricsConfig", Document::object({{"Metrics", Document::array()}})).set("FunctionName", "g");
  const Document cleared = ask("UpdateEventSourceMapping", clear);
  EXPECT_EQ(cleared.find("FilterCriteria"), nullptr);
  EXPECT_EQ(cleared.find("MetricsConfig"), nullptr);
  EXPECT_EQ(cleared.find("DestinationConfig")->dump(), R"({"OnFailure":{}})");
  EXPECT_EQ(cleared.find("FunctionResponseTypes")->dump(), "[]");
  EXPECT_EQ(std::string(cleared.string_or("FunctionArn", "")), "arn:aws:lambda:us-east-1:000000000000:function:g");
  EXPECT_EQ(cleared.int_or("BatchSize", 0), 10000) << "what is absent stays";
}

TEST_F(MappingOperations, RefusalsHaveTheRecordedTexts) {
  EXPECT_EQ(invalid(Document::object({{"FunctionName", "f"}, {"StartingPosition", "LATEST"}})),
            "Unrecognized event source.");
  EXPECT_EQ(invalid(with("FunctionName", "nope")), "Function does not exist");
  const std::string other = std::string(kStream) + "9";
  EXPECT_EQ(invalid(with("EventSourceArn", other)), "Stream not found: " + other);
  Document no_position = request();
  no_position.erase("StartingPosition");
  EXPECT_EQ(
      invalid(no_position),
      "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not "
      "be null.");
  EXPECT_EQ(invalid(with("StartingPosition", "AT_TIMESTAMP")),
            std::string("Unsupported starting position for arn type: ") + kStream);
  EXPECT_EQ(invalid(with("StartingPositionTimestamp", 1767225600)),
            "Timestamp only valid with StartingPosition AT_TIMESTAMP");
  for (const int age : {0, 59}) {
    EXPECT_EQ(invalid(with("MaximumRecordAgeInSeconds", age)),
              "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)");
  }
  const auto filters = [](const char* pattern) {
    return Document::object({{"Filters", Document::array({Document::object({{"Pattern", pattern}})})}});
  };
  EXPECT_EQ(invalid(with("FilterCriteria", filters(R"("single-string")"))), "Invalid filter pattern definition.");
  Document tumbling = with("TumblingWindowInSeconds", 10);
  EXPECT_EQ(invalid(Document(tumbling).set("ParallelizationFactor", 2)),
            "Parallelization factor must be equal to 1 when tumbling window period is configured");
  EXPECT_EQ(invalid(Document(tumbling).set("FilterCriteria", filters(R"({"eventName":["INSERT"]})"))),
            "Tumbling window period should be zero when FilterCriteria is configured");
  EXPECT_EQ(invalid(with("ScalingConfig", Document::object({{"MaximumConcurrency", 2}}))),
            "Unsupported ScalingConfig parameter for given event source mapping type.");
  const auto destination = [](const char* which, const char* arn) {
    return Document::object({{which, Document::object({{"Destination", arn}})}});
  };
  EXPECT_EQ(invalid(with("DestinationConfig", destination("OnSuccess", kQueue))),
            "OnSuccess configuration is not supported for event source mappings.");
  EXPECT_THAT(
      invalid(with("DestinationConfig", destination("OnFailure", "arn:aws:events:us-east-1:000000000000:event-bus/t"))),
      ::testing::HasSubstr("DestinationConfig.OnFailure.Destination"));
  EXPECT_THAT(invalid(with("DestinationConfig", destination("OnFailure", "arn:aws:sqs:us-east-1:000000000000:nope"))),
              ::testing::HasSubstr("is invalid"));
  EXPECT_THAT(invalid(with("KMSKeyArn", "arn:aws:kms:us-east-1:000000000000:key/1")),
              ::testing::HasSubstr("KMSKeyArn"));
  EXPECT_EQ(invalid(with("EventSourceArn", kQueue)), "StartingPosition is not valid for SQS event sources.");
  EXPECT_THAT(invalid(with("EventSourceArn", "nonsense")), "Unrecognized event source.");
  EXPECT_TRUE(engine.list(scope).empty()) << "a refused request changes nothing";
}

TEST_F(MappingOperations, ASecondMappingOfTheSamePairConflictsButAnAliasDoesNot) {
  ask("CreateEventSourceMapping", request());
  EXPECT_THAT(refusal("CreateEventSourceMapping", request(), wire::lambda::kResourceConflictException),
              ::testing::HasSubstr(R"((" f ") provided mapping already exists)"));
  const Document alias = ask("CreateEventSourceMapping", with("FunctionName", "f:live"));
  EXPECT_EQ(std::string(alias.string_or("FunctionArn", "")), "arn:aws:lambda:us-east-1:000000000000:function:f:live");
}

TEST_F(MappingOperations, ListsPageAndFilterByExactQualification) {
  ask("CreateEventSourceMapping", request());
  ask("CreateEventSourceMapping", with("FunctionName", "f:live"));
  ask("CreateEventSourceMapping", with("FunctionName", "g"));
  const auto list = [&](const Document& query) {
    const Document listed = ask("ListEventSourceMappings", query);
    return listed.find("EventSourceMappings")->as_array().size();
  };
  EXPECT_EQ(list(Document::object()), 3u);
  EXPECT_EQ(list(Document::object({{"FunctionName", "f"}})), 1u);
  EXPECT_EQ(list(Document::object({{"FunctionName", "nope"}})), 0u);
  EXPECT_EQ(list(Document::object({{"EventSourceArn", kStream}})), 3u);
  EXPECT_EQ(list(Document::object({{"EventSourceArn", kQueue}})), 0u);
  Document query = Document::object({{"MaxItems", 2}});
  const Document first = ask("ListEventSourceMappings", query);
  EXPECT_EQ(first.find("EventSourceMappings")->as_array().size(), 2u);
  query.set("Marker", std::string(first.string_or("NextMarker", "")));
  const Document second = ask("ListEventSourceMappings", query);
  EXPECT_EQ(second.find("EventSourceMappings")->as_array().size(), 1u);
  EXPECT_EQ(second.find("NextMarker"), nullptr);
  scope.account = "111111111111";
  EXPECT_EQ(list(Document::object()), 0u) << "another account has its own";
}

TEST(FunctionArn, KeepsExactlyTheQualifierThatWasGiven) {
  const Scope scope{.account = "123456789012", .region = "eu-west-1"};
  const std::string arn = "arn:aws:lambda:eu-west-1:123456789012:function:f";
  EXPECT_EQ(function_arn_of(scope, "f"), arn);
  EXPECT_EQ(function_arn_of(scope, "f:1"), arn + ":1");
  EXPECT_EQ(function_arn_of(scope, "function:f"), arn);
  EXPECT_EQ(function_arn_of(scope, "123456789012:function:f:$LATEST"), arn + ":$LATEST");
  EXPECT_EQ(function_arn_of(scope, arn + ":live"), arn + ":live");
}

}  // namespace
}  // namespace millrace::api_lambda
