#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "traces/filter.h"
#include "traces/header.h"
#include "traces/recorder.h"
#include "traces/store.h"
#include "traces/summary.h"

namespace millrace::traces {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kTrace = "1-6955b900-abcdef012345678912345678";  // 2026-01-01T00:00:00Z
constexpr double kBegin = 1767225600.0;
const Scope kScope{"000000000000", "us-east-1"};

std::string trace_number(int number) {
  std::string digits = std::to_string(number);
  return "1-6955b900-" + std::string(24 - digits.size(), '0') + digits;
}

Json segment(const std::string& id, double start, double end, std::initializer_list<Json::Member> more = {}) {
  Json out = Json::object(
      {{"id", id}, {"name", "app"}, {"trace_id", kTrace}, {"start_time", kBegin + start}, {"end_time", kBegin + end}});
  for (const auto& [name, value] : more) out.set(name, value);
  return out;
}

// ---- header

TEST(HeaderTest, IsReadInAnyOrderAndWrittenInOne) {
  const auto header = parse_header(" Sampled=1 ; Lineage=1:a:0;Root=" + std::string(kTrace) +
                                   ";Parent=463ac35c9f6413ad;Self=1-67891234-12456789abcdef012345678");
  EXPECT_EQ(header.root, kTrace);
  EXPECT_EQ(header.parent, "463ac35c9f6413ad");
  EXPECT_EQ(header.sampled, TraceHeader::Sampled::kYes);
  EXPECT_EQ(format_header(header), "Root=" + std::string(kTrace) + ";Parent=463ac35c9f6413ad;Sampled=1");
}

TEST(HeaderTest, WhatIsMalformedCountsAsAbsent) {
  for (const char* text : {"", ";", "=", "Root", "Root=1-2-3;Parent=xyz", "Root=1-6955b90g-abcdef012345678912345678"}) {
    EXPECT_EQ(parse_header(text), TraceHeader()) << text;
  }
  EXPECT_EQ(parse_header("Sampled=?").sampled, TraceHeader::Sampled::kUnknown);
}

TEST(HeaderTest, SaysSampledOnlyForOne) {
  EXPECT_TRUE(says_sampled("Root=x;Sampled=1"));
  EXPECT_TRUE(says_sampled("Sampled=1;Root=x"));
  EXPECT_FALSE(says_sampled("Root=x;Sampled=0"));
  EXPECT_FALSE(says_sampled("Sampled=10"));
}

TEST(HeaderTest, IdsOfOpenTelemetryAreBroughtIntoForm) {
  EXPECT_EQ(trace_id_of("6955b900abcdef012345678912345678"), kTrace);
  EXPECT_EQ(trace_id_of(kTrace), kTrace);
  EXPECT_EQ(trace_id_of("6955b900abcdef01234567891234567"), std::nullopt);
  EXPECT_EQ(to_unix_s(time_of_trace(kTrace)), 1767225600);
}

TEST(HeaderTest, NewIdsHaveTheForm) {
  platform::SeededRandom random(1);
  const auto id = new_trace_id(random, from_unix_ms(1767225600123));
  EXPECT_TRUE(is_trace_id(id)) << id;
  EXPECT_TRUE(id.starts_with("1-6955b900-"));
}

// ---- documents

struct Refused {
  const char* document;
  const char* code;
};

TEST(SegmentTest, WhatCannotBeKeptIsRefusedWithItsCode) {
  const Refused cases[] = {
      {"", "ParseError"},
      {"[]", "ParseError"},
      {"{}", "MissingId"},
      {R"({"id":"x"})", "InvalidId"},
      {R"({"id":"0000000000000001"})", "MissingName"},
      {R"({"id":"0000000000000001","name":"a;b"})", "InvalidName"},
      {R"({"id":"0000000000000001","name":"a"})", "MissingStartTime"},
      {R"({"id":"0000000000000001","name":"a","start_time":"1"})", "InvalidStartTime"},
      {R"({"id":"0000000000000001","name":"a","start_time":1})", "MissingEndTime"},
      {R"({"id":"0000000000000001","name":"a","start_time":1,"end_time":-1})", "InvalidEndTime"},
      {R"({"id":"0000000000000001","name":"a","start_time":1,"end_time":2})", "MissingTraceId"},
      {R"({"id":"0000000000000001","name":"a","start_time":1,"end_time":2,"trace_id":"1-2-3"})", "InvalidTraceId"},
      {R"({"id":"0000000000000001","name":"a","start_time":1,"in_progress":true,"parent_id":"1",
           "trace_id":"1-6955b900-abcdef012345678912345678"})",
       "InvalidParentId"},
      {R"({"id":"0000000000000001","name":"a","start_time":1,"end_time":2,"type":"subsegment",
           "trace_id":"1-6955b900-abcdef012345678912345678"})",
       "MissingParentId"},
      {R"({"id":"0000000000000001","name":"a","start_time":1,"end_time":2,"subsegments":[{"id":"2"}],
           "trace_id":"1-6955b900-abcdef012345678912345678"})",
       "InvalidId"},
  };
  for (const auto& [document, code] : cases) {
    Refusal refusal;
    EXPECT_FALSE(read_segment(document, refusal)) << document;
    EXPECT_EQ(refusal.code, code) << document;
  }
  Refusal refusal;
  const auto large = segment("0000000000000001", 0, 1, {{"metadata", std::string(kSegmentBytesMax, 'x')}});
  EXPECT_FALSE(read_segment(large.dump(), refusal));
  EXPECT_EQ(refusal.code, "DocumentTooLarge");
  EXPECT_EQ(refusal.id, "0000000000000001");
  EXPECT_EQ(refusal.message(), "Invalid segment. ErrorCode: DocumentTooLarge");
}

TEST(SegmentTest, KeepsTheTextAsItWasSent) {
  Refusal refusal;
  const std::string text =
      R"( {"id":"0000000000000001","name":"a", "start_time":1.5,"in_progress":true,"trace_id":"1-6955b900-abcdef012345678912345678"})";
  const auto read = read_segment(text, refusal);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->document, text);
  EXPECT_EQ(read->start, 1.5);
  EXPECT_EQ(read->end, 1.5);
}

TEST(SegmentTest, SubsegmentsSentByThemselvesAreFoundInTheirParents) {
  const auto sub = [](const char* id, const char* parent, double start) {
    return segment(id, start, start + 1, {{"type", "subsegment"}, {"parent_id", parent}}).dump();
  };
  const auto all = assemble(
      {sub("0000000000000004", "0000000000000003", 3), sub("0000000000000003", "0000000000000002", 2),
       sub("0000000000000009", "00000000000000ff", 0.5),
       segment("0000000000000001", 0, 9, {{"subsegments", Json::array({segment("0000000000000002", 1, 8)})}}).dump()});
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[1].string_or("id", ""), "0000000000000009");  // its parent never came
  std::vector<std::string> ids;
  for_each(all[0], [&](const Json& each, int depth) {
    ids.push_back(std::to_string(depth) + std::string(each.string_or("id", "")).substr(15));
  });
  EXPECT_THAT(ids, ElementsAre("01", "12", "23", "34"));
}

TEST(SegmentTest, CirclesOfParentsAreLeftApart) {
  const auto all =
      assemble({segment("0000000000000001", 0, 1, {{"type", "subsegment"}, {"parent_id", "0000000000000002"}}).dump(),
                segment("0000000000000002", 0, 1, {{"type", "subsegment"}, {"parent_id", "0000000000000001"}}).dump(),
                segment("0000000000000003", 0, 1, {{"type", "subsegment"}, {"parent_id", "0000000000000003"}}).dump()});
  EXPECT_THAT(all, SizeIs(2));
}

// ---- store

class StoreTest : public ::testing::Test {
 protected:
  static Segment number(int trace, const std::string& id = "0000000000000001", double start = 0) {
    Json json = segment(id, start, start + 1);
    json.set("trace_id", trace_number(trace));
    return own_segment(json);
  }
  std::vector<std::string> list(Store& store, const std::string& after = {}, std::size_t count = 100) {
    std::vector<std::string> out;
    for (const auto& id : store.list(kScope, RangeType::kEvent, testing::kVirtualStart,
                                     scheduler_.now() + std::chrono::hours(1), count, after))
      out.push_back(id.substr(id.size() - 1));
    return out;
  }

  testing::VirtualScheduler scheduler_;
  storage::MemoryStore disk_;
  testing::TestCommits commits_{disk_, scheduler_};
};

TEST_F(StoreTest, GivesBackWhatIsStillInMemoryAndWhatIsWritten) {
  Store store(disk_, commits_, scheduler_);
  store.put(kScope, number(1, "0000000000000001"));
  EXPECT_THAT(store.find(kScope, trace_number(1)).value()->documents, SizeIs(1));
  scheduler_.advance(kPersistAfter);
  store.put(kScope, number(1, "0000000000000002"));
  EXPECT_THAT(store.find(kScope, trace_number(1)).value()->documents, SizeIs(2));
  EXPECT_EQ(store.find(kScope, trace_number(2)).value(), std::nullopt);
  EXPECT_EQ(store.find({"111111111111", "us-east-1"}, trace_number(1)).value(), std::nullopt);
}

TEST_F(StoreTest, ReadersSeeWhatIsSubmittedButNotWrittenYet) {
  Store store(disk_, commits_, scheduler_);
  commits_.hold();
  store.put(kScope, number(1));
  store.flush();
  EXPECT_THAT(store.find(kScope, trace_number(1)).value()->documents, SizeIs(1));
  commits_.release();
  scheduler_.run_ready();
  EXPECT_THAT(store.find(kScope, trace_number(1)).value()->documents, SizeIs(1));
}

TEST_F(StoreTest, ALaterDocumentReplacesAnEarlierOfTheSameSegment) {
  Store store(disk_, commits_, scheduler_);
  store.put(kScope, number(1, "0000000000000001", 0));
  store.flush();
  scheduler_.run_ready();
  store.put(kScope, number(1, "0000000000000001", 5));
  ASSERT_THAT(store.find(kScope, trace_number(1)).value()->documents, SizeIs(1));
  EXPECT_NE(store.find(kScope, trace_number(1)).value()->documents[0].find("605"), std::string::npos);
}

TEST_F(StoreTest, SurvivesARestart) {
  {
    Store store(disk_, commits_, scheduler_);
    store.put(kScope, number(1));
    store.put(kScope, number(2));
    store.flush();
    scheduler_.run_ready();
  }
  Store store(disk_, commits_, scheduler_);
  ASSERT_TRUE(store.load().ok());
  EXPECT_THAT(list(store), ElementsAre("2", "1"));
  store.put(kScope, number(3));
  EXPECT_THAT(store.find(kScope, trace_number(1)).value()->documents, SizeIs(1));
  EXPECT_EQ(store.usage().traces, 3u);
}

TEST_F(StoreTest, ADamagedHeadIsToldAtTheStart) {
  storage::WriteBatch batch;
  batch.put(storage::Family::kText, "traces/t/12345678", "{}");
  commits_.submit(std::move(batch));
  scheduler_.run_ready();
  Store store(disk_, commits_, scheduler_);
  EXPECT_FALSE(store.load().ok());
}

TEST_F(StoreTest, TheOldestTracesGoWhenThereAreTooMany) {
  Store store(disk_, commits_, scheduler_, {.bytes = 1000});
  for (int i = 1; i <= 20; ++i) store.put(kScope, number(i % 10, "0000000000000001", i));
  EXPECT_LE(store.usage().bytes, 1000u);
  EXPECT_GE(store.usage().traces, 2u);
  store.flush();
  scheduler_.run_ready();
  const auto it = disk_.iterate(storage::Family::kText, {"traces/d/", storage::prefix_end("traces/d/")});
  std::size_t documents = 0;
  for (it->seek("traces/d/"); it->valid(); it->next()) ++documents;
  EXPECT_EQ(documents, store.usage().traces);
}

TEST_F(StoreTest, ATraceHasALimitAndSaysSo) {
  Store store(disk_, commits_, scheduler_, {.trace_bytes = 400});
  for (int i = 0; i < 9; ++i) store.put(kScope, number(1, "000000000000000" + std::to_string(i)));
  const auto trace = store.find(kScope, trace_number(1)).value();
  EXPECT_TRUE(trace->limit_exceeded);
  EXPECT_LT(trace->documents.size(), 4u);
  EXPECT_EQ(store.usage().dropped, 9 - trace->documents.size());
}

TEST_F(StoreTest, ForgetsAfterThirtyDays) {
  Store store(disk_, commits_, scheduler_);
  store.put(kScope, number(1));
  scheduler_.advance(std::chrono::days(29));
  EXPECT_EQ(store.usage().traces, 1u);
  scheduler_.advance(std::chrono::days(2));
  EXPECT_EQ(store.usage().traces, 0u);
  const auto it = disk_.iterate(storage::Family::kText, {"traces/", storage::prefix_end("traces/")});
  it->seek("traces/");
  EXPECT_FALSE(it->valid());
  EXPECT_EQ(scheduler_.next_timer(), kNever);  // an idle server has nothing due
}

TEST_F(StoreTest, WithoutAScopeASegmentJoinsItsTrace) {
  Store store(disk_, commits_, scheduler_);
  const Scope other{"222222222222", "eu-west-1"};
  store.expect(other, trace_number(1));
  EXPECT_EQ(store.find(other, trace_number(1)).value(), std::nullopt);
  store.put(std::nullopt, number(1));
  store.put(std::nullopt, number(2));
  EXPECT_TRUE(store.find(other, trace_number(1)).value());
  EXPECT_TRUE(store.find(kScope, trace_number(2)).value());
}

TEST_F(StoreTest, SegmentsFromOutsideAreMovedAlongWithTheClock) {
  Store store(disk_, commits_, scheduler_);
  Json json = segment("0000000000000001", 0, 2, {{"subsegments", Json::array({segment("0000000000000002", 1, 2)})}});
  store.receive(kScope, own_segment(json));
  EXPECT_EQ(store.find(kScope, kTrace).value()->documents[0], json.dump());
  scheduler_.set_machine_offset(-std::chrono::hours(1));
  store.receive(kScope, own_segment(json));
  const Json found = assemble(store.find(kScope, kTrace).value()->documents)[0];
  EXPECT_EQ(number_or(found, "end_time", 0), kBegin + 3602);
  EXPECT_EQ(number_or(found.find("subsegments")->as_array()[0], "start_time", 0), kBegin + 3601);
}

TEST_F(StoreTest, ListsPagesNewestFirst) {
  Store store(disk_, commits_, scheduler_);
  for (int i = 1; i <= 5; ++i) store.put(kScope, number(i, "0000000000000001", i));
  EXPECT_THAT(list(store, "", 2), ElementsAre("5", "4"));
  EXPECT_THAT(list(store, trace_number(4), 2), ElementsAre("3", "2"));
  EXPECT_THAT(store.list(kScope, RangeType::kTraceId, from_unix_ms(1767225600500), from_unix_ms(1767225600600), 9),
              SizeIs(5));
  EXPECT_THAT(store.list(kScope, RangeType::kTraceId, from_unix_ms(1767225601000), from_unix_ms(1767225602000), 9),
              IsEmpty());
  store.reset(kScope.account);
  EXPECT_THAT(list(store), IsEmpty());
}

// ---- filter

Picture picture() {
  Json root =
      segment("0000000000000001", 0, 2.5,
              {{"name", "api"},
               {"origin", "AWS::EC2::Instance"},
               {"error", true},
               {"user", "ann"},
               {"annotations", Json::object({{"Order", "o-1"}, {"size", 7}, {"gift", true}})},
               {"http", Json::object({{"request", Json::object({{"url", "http://api/v2/x"}, {"method", "PUT"}})},
                                      {"response", Json::object({{"status", 404}})}})}});
  root.set(
      "subsegments",
      Json::array({segment("0000000000000002", 1, 2, {{"name", "DynamoDB"}, {"namespace", "aws"}, {"fault", true}}),
                   segment("0000000000000003", 1, 2, {{"name", "worker"}, {"namespace", "remote"}})}));
  const Json worker = segment("0000000000000004", 1.2, 3.5, {{"name", "worker"}, {"parent_id", "0000000000000003"}});
  return Picture(kTrace, assemble({root.dump(), worker.dump()}));
}

TEST(FilterTest, SaysWhatTheGuideSays) {
  const auto trace = picture();
  const std::pair<const char*, bool> cases[] = {
      {"", true},
      {"error", true},
      {"!error", false},
      {"NOT ok", true},
      {"fault", false},
      {"ok = false", true},
      {"responsetime > 2", true},
      {"responsetime > 3", false},
      {"duration >= 3.5 AND duration <= 8", true},
      {"error !partial duration <4", true},
      {"partial", false},
      {"http.status = 404", true},
      {"http.status != 404", false},
      {R"(http.url BEGINSWITH "http://api/" AND http.url CONTAINS "/v2/")", true},
      {R"(http.url endswith "/y")", false},
      {R"(http.method = "PUT" OR fault)", true},
      {R"(user = "ann")", true},
      {R"(user = "bob")", false},
      {R"(annotation.Order = "o-1")", true},
      {R"(annotation.order = "o-1")", false},
      {R"(annotation[Order] CONTAINS "o")", true},
      {"annotation.size > 6", true},
      {"annotation.gift = true", true},
      {"annotation.gift", true},
      {"annotation.none", false},
      {R"(service("DynamoDB"))", true},
      {R"(service("DynamoDB") { fault })", true},
      {R"(service("api") { fault })", false},
      {R"(!service("S3"))", true},
      {"service() { fault }", true},
      {R"(service(id(name: "api", type: "AWS::EC2::Instance")))", true},
      {R"(service(id(account.id: "1")))", false},
      {R"(edge("api", "worker"))", true},
      {R"(edge("worker", "api"))", false},
      {R"(edge("api", "DynamoDB") { fault = true })", true},
      {R"(edge(id(name:"api"), id(name:"worker")) { responsetime > 2 })", true},
      {R"((fault OR error) AND (user = "ann"))", true},
      {R"(service("worker") { inferred })", false},
      {R"(service("DynamoDB") { inferred })", true},
  };
  for (const auto& [text, expected] : cases) {
    const auto filter = Filter::parse(text);
    ASSERT_TRUE(filter.ok()) << text << ": " << filter.error().message();
    EXPECT_EQ(filter->passes(trace, "000000000000"), expected) << text;
  }
}

TEST(FilterTest, WhatIsNoExpressionIsRefused) {
  for (const char* text : {"(",
                           ")",
                           "error)",
                           "nonsense",
                           "responsetime",
                           "responsetime > ",
                           "responsetime > \"a\"",
                           "http.url > 3",
                           "http.url CONTAINS 3",
                           "error > 1",
                           "AND",
                           "error AND",
                           "error OR",
                           "service(",
                           "service(\"a\"",
                           "service(\"a\") {",
                           "edge(\"a\")",
                           "user = \"a",
                           "service(id(nome:\"a\"))",
                           "annotation[",
                           "rootcause.fault.service",
                           "group.name = \"x\"",
                           "!"}) {
    EXPECT_FALSE(Filter::parse(text).ok()) << text;
  }
  EXPECT_FALSE(Filter::parse(std::string(3000, '(')).ok());
  EXPECT_THAT(Filter::parse("group.name = \"x\"").error().message(),
              ::testing::HasSubstr("group.name is not supported"));
}

TEST(SummaryTest, TellsOfTheRootAndCollectsFromAll) {
  const auto summary = picture().summary("000000000000");
  EXPECT_EQ(summary.string_or("Id", ""), kTrace);
  EXPECT_DOUBLE_EQ(number_or(summary, "Duration", 0), 3.5);
  EXPECT_DOUBLE_EQ(number_or(summary, "ResponseTime", 0), 2.5);
  EXPECT_TRUE(summary.bool_or("HasError", false));
  EXPECT_FALSE(summary.bool_or("HasFault", true));
  EXPECT_EQ(summary.find("Http")->int_or("HttpStatus", 0), 404);
  EXPECT_EQ(summary.find("EntryPoint")->string_or("Name", ""), "api");
  std::vector<std::string> names;
  for (const auto& each : summary.find("ServiceIds")->as_array()) names.emplace_back(each.string_or("Name", ""));
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("api", "DynamoDB", "worker"));
  EXPECT_EQ(summary.find("Annotations")->find("size")->as_array()[0].find("AnnotationValue")->int_or("NumberValue", 0),
            7);
}

// ---- recorder

class RecorderTest : public StoreTest {
 protected:
  Start start() const {
    return {.scope = kScope, .function = "f", .version = "$LATEST", .arn = "arn:f", .request_id = "r"};
  }
  // The trace's segments by name and origin, subsegments flat.
  std::vector<std::string> names(const std::string& id) {
    std::vector<std::string> out;
    for (const auto& each : assemble(store_.find(kScope, id).value()->documents))
      for_each(each, [&](const Json& json, int depth) {
        out.push_back(std::string(static_cast<std::size_t>(depth), ' ') + std::string(json.string_or("name", "")));
      });
    return out;
  }
  End ended() { return {.delivered = scheduler_.monotonic_now(), .ended = scheduler_.monotonic_now()}; }
  Call call(std::string_view header, std::string_view key = "ASIA1") const {
    return {.scope = kScope,
            .header = header,
            .access_key = key,
            .service = "s3",
            .operation = "DeleteObject",
            .resource = "b",
            .method = "DELETE",
            .url = "/b/k",
            .request_id = "q",
            .milliseconds = 2};
  }

  platform::SeededRandom random_{7};
  Store store_{disk_, commits_, scheduler_};
  Sampler sampler_{SamplingRule(), random_};
  Recorder recorder_{store_, scheduler_, random_, sampler_};
};

TEST_F(RecorderTest, FollowsADecisionAndMakesOneOnlyForActiveFunctions) {
  using Sampled = TraceHeader::Sampled;
  const std::string root = "Root=" + std::string(kTrace);
  EXPECT_EQ(recorder_.decide("", false, "f").sampled, Sampled::kNo);
  EXPECT_EQ(recorder_.decide("", true, "f").sampled, Sampled::kYes);
  EXPECT_EQ(recorder_.decide(root + ";Sampled=0", true, "f").sampled, Sampled::kNo);
  EXPECT_EQ(recorder_.decide(root + ";Sampled=1", false, "f").sampled, Sampled::kYes);
  EXPECT_EQ(recorder_.decide(root, true, "f").root, kTrace);
  EXPECT_TRUE(is_trace_id(recorder_.decide("", false, "f").root));
}

TEST_F(RecorderTest, AnInvocationIsTwoSegmentsWithItsCallsInside) {
  auto decided = recorder_.decide("", true, "f");
  const auto handle = recorder_.begin(start(), decided);
  ASSERT_NE(handle, nullptr);
  recorder_.delivered(handle, "ASIA1");
  End end{.init_began = scheduler_.monotonic_now()};
  scheduler_.advance(Milliseconds(100));
  end.init_ended = end.delivered = scheduler_.monotonic_now();
  scheduler_.advance(Milliseconds(20));
  ASSERT_TRUE(recorder_.wants(format_header(decided)));
  recorder_.call(call(format_header(decided)));
  ASSERT_TRUE(recorder_.wants(""));
  recorder_.call(call(""));
  scheduler_.advance(Milliseconds(30));
  end.ended = scheduler_.monotonic_now();
  recorder_.end(handle, end);
  EXPECT_FALSE(recorder_.wants(""));
  EXPECT_THAT(names(decided.root),
              ElementsAre("f", " Attempt #1", "f", " Initialization", " Invocation", "  S3", "  S3"));
  const Picture picture(decided.root, assemble(store_.find(kScope, decided.root).value()->documents));
  EXPECT_NEAR(picture.duration(), 0.150, 1e-6);
  const Json& function = picture.segments()[1];
  EXPECT_EQ(function.string_or("origin", ""), "AWS::Lambda::Function");
  EXPECT_EQ(function.string_or("parent_id", ""), picture.segments()[0].string_or("id", ""));
  const Json& invocation = function.find("subsegments")->as_array()[1];
  EXPECT_EQ(invocation.string_or("id", ""), decided.parent);
  const Json& s3 = invocation.find("subsegments")->as_array()[0];
  EXPECT_NEAR(number_or(s3, "end_time", 0) - number_or(s3, "start_time", 0), 0.002, 1e-6);
  EXPECT_EQ(s3.find("aws")->string_or("bucket_name", ""), "b");
}

TEST_F(RecorderTest, WhatIsNotSampledLeavesNothing) {
  auto decided = recorder_.decide("", false, "f");
  EXPECT_EQ(recorder_.begin(start(), decided), nullptr);
  EXPECT_TRUE(is_segment_id(decided.parent));
  EXPECT_FALSE(recorder_.wants(format_header(decided)));
  EXPECT_FALSE(recorder_.wants(""));
  EXPECT_EQ(store_.usage().traces, 0u);
}

TEST_F(RecorderTest, CallsOfOthersDoNotBelongToTheInvocation) {
  auto decided = recorder_.decide("", true, "f");
  const auto handle = recorder_.begin(start(), decided);
  recorder_.delivered(handle, "ASIA1");
  recorder_.call(call("", "ASIA2"));
  recorder_.call(call("Sampled=1"));
  recorder_.end(handle, ended());
  EXPECT_THAT(names(decided.root), ElementsAre("f", " Attempt #1", "f", " Invocation"));
}

TEST_F(RecorderTest, ACallUnderAnothersSegmentIsInferred) {
  recorder_.call(call("Root=" + std::string(kTrace) + ";Parent=463ac35c9f6413ad;Sampled=1"));
  const auto found = assemble(store_.find(kScope, kTrace).value()->documents);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_TRUE(found[0].bool_or("inferred", false));
  EXPECT_EQ(found[0].string_or("parent_id", ""), "463ac35c9f6413ad");
  EXPECT_EQ(found[0].string_or("origin", ""), "AWS::S3::Bucket");
}

TEST_F(RecorderTest, ABatchTellsWhereItWaited) {
  const Time now = scheduler_.now();
  struct Case {
    Cause cause;
    std::vector<std::string> parts;
  };
  const Cause stream{.kind = Cause::Kind::kStream,
                     .records = 3,
                     .written = now - Milliseconds(900),
                     .read = now - Milliseconds(700),
                     .formed = now - Milliseconds(200)};
  Cause window = stream, retry = stream, queue = stream;
  window.has_window = true;
  retry.has_window = true;
  retry.attempt = 2;
  queue.kind = Cause::Kind::kQueue;
  const Case cases[] = {
      {stream, {"Stream wait 200", "Queue 700", "Attempt #1 0"}},
      {window, {"Stream wait 200", "Batch 700", "Attempt #1 0"}},
      {retry, {"Stream wait 200", "Batch 500", "Retry 200", "Attempt #2 0"}},
      {queue, {"Queue wait 200", "Queue 700", "Attempt #1 0"}},
      {{.kind = Cause::Kind::kAsync, .written = now - Milliseconds(50)}, {"Dwell Time 50", "Attempt #1 0"}},
      {{}, {"Attempt #1 0"}}};
  for (const auto& each : cases) {
    auto decided = recorder_.decide("", true, "f");
    Start one = start();
    one.cause = each.cause;
    const auto handle = recorder_.begin(one, decided);
    recorder_.end(handle, ended());
    std::vector<std::string> parts;
    const auto found = assemble(store_.find(kScope, decided.root).value()->documents);
    for (const auto& part : found[0].find("subsegments")->as_array()) {
      const double ms = (number_or(part, "end_time", 0) - number_or(part, "start_time", 0)) * 1000;
      parts.push_back(std::string(part.string_or("name", "")) + " " + std::to_string(std::lround(ms)));
    }
    EXPECT_EQ(parts, each.parts);
  }
}

TEST_F(RecorderTest, AFailureIsAFaultWithItsException) {
  auto decided = recorder_.decide("", true, "f");
  const auto handle = recorder_.begin(start(), decided);
  End end = ended();
  end.error = R"({"errorType":"TypeError","errorMessage":"boom"})";
  recorder_.end(handle, end);
  const Picture picture(decided.root, assemble(store_.find(kScope, decided.root).value()->documents));
  EXPECT_TRUE(flags_of(picture.segments()[0]).fault);
  const Json* exceptions = member_at(picture.segments()[1], {"cause", "exceptions"});
  ASSERT_NE(exceptions, nullptr);
  EXPECT_EQ(exceptions->as_array()[0].string_or("message", ""), "boom");
}

TEST_F(RecorderTest, AProcessThatDoesNotComeUpHasNoInvocation) {
  auto decided = recorder_.decide("", true, "f");
  const auto handle = recorder_.begin(start(), decided);
  End end = ended();
  end.init_began = end.delivered - Milliseconds(50);
  end.init_ended = end.delivered;
  end.error = R"({"errorType":"Runtime.ImportModuleError","errorMessage":"no"})";
  recorder_.end(handle, end);
  EXPECT_THAT(names(decided.root), ElementsAre("f", " Initialization", "f", " Attempt #1"));
  const auto found = assemble(store_.find(kScope, decided.root).value()->documents);
  EXPECT_TRUE(flags_of(found[0].find("subsegments")->as_array()[0]).fault);
}

TEST_F(RecorderTest, BeyondTheLimitCallsAreCountedOnly) {
  auto decided = recorder_.decide("", true, "f");
  const auto handle = recorder_.begin(start(), decided);
  for (int i = 0; i < kCallsMax + 5; ++i) recorder_.call(call(format_header(decided)));
  recorder_.end(handle, ended());
  const auto found = assemble(store_.find(kScope, decided.root).value()->documents);
  EXPECT_EQ(member_at(found[1], {"metadata", "millrace"})->int_or("calls_left_out", 0), 5);
}

TEST(SamplerTest, TheReservoirComesFirstThenTheRate) {
  platform::SeededRandom random(3);
  Sampler sampler(kAwsRule, random);
  const Time now = testing::kVirtualStart;
  int sampled = 0;
  EXPECT_TRUE(sampler.sample("f", now));
  EXPECT_TRUE(sampler.sample("g", now));
  for (int i = 0; i < 10'000; ++i) sampled += sampler.sample("f", now);
  EXPECT_NEAR(sampled, 500, 100);
  EXPECT_TRUE(sampler.sample("f", now + Seconds(1)));
}

}  // namespace
}  // namespace millrace::traces
