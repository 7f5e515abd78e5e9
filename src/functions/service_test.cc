#include "functions/service.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "codec/json.h"
#include "functions/errors.h"
#include "functions/target.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "testing/zip.h"

namespace millrace::functions {
namespace {

namespace fs = std::filesystem;
using runtimes::Outcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

// Answers what the test says: at once (as posted work), or when the test lets it.
class FakeRuntimes : public runtimes::RuntimeFactory {
 public:
  struct Call {
    runtimes::FunctionSpec spec;
    runtimes::Invocation invocation;
    std::function<void(Outcome)> done;
  };

  explicit FakeRuntimes(platform::Scheduler& scheduler) : scheduler_(scheduler) {}
  std::shared_ptr<runtimes::Runtime> create(runtimes::FunctionSpec spec) override {
    ++created;
    return std::make_shared<One>(*this, std::move(spec));
  }
  std::string describe(std::string_view runtime) override { return "fake " + std::string(runtime); }

  static Outcome answered(std::string payload) { return {.payload = std::move(payload)}; }
  static Outcome failed(std::string message) {
    return {.payload = R"({"errorType":"E","errorMessage":")" + message + "\"}", .function_error = "Unhandled"};
  }

  std::function<Outcome(const Call&)> behave = [](const Call& call) { return answered(call.invocation.payload); };
  bool hold = false;
  std::vector<Call> held;
  std::vector<std::pair<Time, std::string>> log;  // when what was invoked: "<name> <payload>"
  int created = 0;

 private:
  class One : public runtimes::Runtime {
   public:
    One(FakeRuntimes& owner, runtimes::FunctionSpec spec) : owner_(owner), spec_(std::move(spec)) {}
    void invoke(runtimes::Invocation invocation, std::function<void(Outcome)> done) override {
      owner_.log.emplace_back(owner_.scheduler_.now(), spec_.name + " " + invocation.payload);
      Call call{spec_, std::move(invocation), std::move(done)};
      if (owner_.hold) {
        owner_.held.push_back(std::move(call));
      } else {
        owner_.scheduler_.post([&owner = owner_, call] { call.done(owner.behave(call)); });
      }
    }
    void stop() override {}

   private:
    FakeRuntimes& owner_;
    const runtimes::FunctionSpec spec_;
  };
  platform::Scheduler& scheduler_;
};

// A destination that keeps what it gets, once it is committed.
class Mailbox : public delivery::Target {
 public:
  Result<void> check(std::string_view arn) override {
    if (arn.ends_with(":gone")) return Error(delivery::kNoSuchTarget, "gone");
    return {};
  }
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch&) override {
    if (arn.ends_with(":gone")) return Error(delivery::kNoSuchTarget, "gone");
    return delivery::AfterCommit([this, arn = std::string(arn), message] { messages.emplace_back(arn, message); });
  }
  std::vector<std::pair<std::string, delivery::Message>> messages;
};

StringMap one(const std::string& key, const std::string& value) {
  StringMap map;
  map[key] = value;
  return map;
}

constexpr const char* kQueueArn = "arn:aws:sqs:us-east-1:000000000000:results";
constexpr const char* kLettersArn = "arn:aws:sqs:us-east-1:000000000000:letters";

class FunctionsTest : public ::testing::Test {
 protected:
  FunctionsTest() {
    std::string pattern = (fs::temp_directory_path() / "millrace-functions-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    restart();
  }
  ~FunctionsTest() override {
    functions_.reset();
    fs::remove_all(folder_);
  }

  // What is not committed is lost, as at a power cut.
  void restart() {
    target_.reset();
    functions_.reset();
    if (runtimes_) runtimes_->held.clear();  // they hold Busy tokens of the scheduler
    scheduler_ = std::make_unique<testing::VirtualScheduler>(now_);
    const auto behave = runtimes_ ? runtimes_->behave : FakeRuntimes(*scheduler_).behave;
    runtimes_ = std::make_unique<FakeRuntimes>(*scheduler_);
    runtimes_->behave = behave;
    commits_ = std::make_unique<testing::TestCommits>(store_, *scheduler_);
    delivery_ = delivery::Delivery();
    delivery_.add("sqs", mailbox_);
    options_.folder = folder_ / "functions";
    functions_ = std::make_unique<Functions>(
        Services{store_, *commits_, *scheduler_, random_, registry_, delivery_, *runtimes_}, options_);
    target_ = std::make_unique<FunctionTarget>(*functions_);
    delivery_.add("lambda", *target_);
    const auto loaded = functions_->load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    scheduler_->run_ready();
  }
  void advance(Milliseconds by) {
    scheduler_->advance(by);
    now_ = scheduler_->now();
  }

  static FunctionName name(const std::string& text) { return {Scope{}, text}; }

  static std::string archive(const std::string& file = "index.js", const std::string& content = "code") {
    return testing::zip_of(file, content);
  }

  CreateRequest request(const std::string& text) {
    CreateRequest create{.name = name(text), .code = {.archive = archive()}};
    create.settings.runtime = "nodejs20.x";
    create.settings.handler = "index.handler";
    create.settings.role = "arn:aws:iam::000000000000:role/r";
    return create;
  }
  Result<Function> create(CreateRequest create) {
    std::optional<Result<Function>> result;
    functions_->create(std::move(create), [&](Result<Function> r) { result = std::move(r); });
    scheduler_->run_ready();
    EXPECT_TRUE(result.has_value());
    return *std::move(result);
  }
  Function make(const std::string& text) {
    auto result = create(request(text));
    EXPECT_TRUE(result.ok()) << result.error().message();
    return std::move(result).value();
  }
  Result<InvokeResult> invoke(const std::string& text, std::string payload = "{}", std::string qualifier = "") {
    std::optional<Result<InvokeResult>> result;
    functions_->invoke({.target = {name(text), std::move(qualifier)}, .payload = std::move(payload)},
                       [&](Result<InvokeResult> r) { result = std::move(r); });
    scheduler_->run_ready();
    if (!result) return Error(kServiceError, "no answer yet");
    return *std::move(result);
  }
  void send(const std::string& text, std::string payload = "{}") {
    auto accepted = functions_->invoke_async({.target = {name(text), ""}, .payload = std::move(payload)});
    ASSERT_TRUE(accepted.ok()) << accepted.error().message();
    scheduler_->run_ready();
  }
  void configure(const std::string& text, EventInvokeChange change) {
    const auto config = functions_->put_event_invoke({name(text), ""}, change);
    ASSERT_TRUE(config.ok()) << config.error().message();
    scheduler_->run_ready();
  }
  std::vector<std::string> invoked() {
    std::vector<std::string> all;
    for (const auto& [time, what] : runtimes_->log) all.push_back(what);
    return all;
  }
  codec::Json document(std::size_t index) { return codec::parse_json(mailbox_.messages.at(index).second.body).value(); }
  std::size_t queued_keys() {
    const auto iterator = store_.iterate(storage::Family::kQueue, {});
    std::size_t count = 0;
    for (iterator->seek(""); iterator->valid(); iterator->next()) ++count;
    return count;
  }

  fs::path folder_;
  Time now_ = testing::kVirtualStart;
  storage::MemoryStore store_;
  platform::SeededRandom random_{7};
  telemetry::Registry registry_;
  Mailbox mailbox_;
  delivery::Delivery delivery_;
  Options options_;
  std::unique_ptr<testing::VirtualScheduler> scheduler_;
  std::unique_ptr<FakeRuntimes> runtimes_;
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<Functions> functions_;
  std::unique_ptr<FunctionTarget> target_;
};

// ---- registry

TEST_F(FunctionsTest, FunctionsSurviveARestartWithTheirCode) {
  auto create_request = request("f");
  create_request.settings.variables = one("A", "b");
  create_request.tags = one("team", "x");
  const auto made = create(std::move(create_request));
  ASSERT_TRUE(made.ok());
  ASSERT_TRUE(functions_->put_concurrency(name("f"), 7).ok());
  configure("f", {.replace = true, .retries_max = 1, .on_failure = kQueueArn});
  restart();
  const auto found = functions_->get(name("f"));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->code.sha256, made->code.sha256);
  EXPECT_EQ(found->settings.variables, one("A", "b"));
  EXPECT_EQ(found->tags, one("team", "x"));
  EXPECT_EQ(found->reserved_concurrency, 7);
  const auto kept = functions_->get_event_invoke({name("f"), ""});
  EXPECT_EQ(kept->retries_max, 1);
  EXPECT_EQ(kept->on_failure, kQueueArn);
  ASSERT_TRUE(invoke("f").ok());
  runtimes_->behave = [](const auto& call) {
    return FakeRuntimes::answered(fs::exists(fs::path(call.spec.code_folder) / "index.js") ? "1" : "0");
  };
  EXPECT_EQ(invoke("f")->payload, "1");
}

TEST_F(FunctionsTest, ASecondOneOfTheSameNameIsAConflict) {
  make("f");
  const auto again = create(request("f"));
  EXPECT_TRUE(again.error().is(kResourceConflict));
  EXPECT_EQ(again.error().message(), "Function already exist: f");
}

TEST_F(FunctionsTest, NotFoundNamesTheArn) {
  EXPECT_EQ(functions_->get(name("nope")).error().message(),
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope");
  EXPECT_EQ(invoke("nope").error().message(),
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope:$LATEST");
  make("f");
  EXPECT_EQ(invoke("f", "{}", "7").error().message(),
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:7");
  EXPECT_TRUE(invoke("f", "{}", "$LATEST").ok());
}

TEST_F(FunctionsTest, BadSettingsAreRefusedWithAwsTexts) {
  const auto error = [this](auto change) {
    auto bad = request("bad");
    change(bad);
    const auto result = create(std::move(bad));
    return result.ok() ? "accepted" : result.error().message();
  };
  EXPECT_THAT(error([](auto& r) { r.settings.variables = one("AWS_REGION", "x"); }),
              HasSubstr("Reserved keys used in this request: AWS_REGION"));
  EXPECT_THAT(error([](auto& r) { r.settings.variables = one("A", std::string(4096, 'x')); }),
              HasSubstr("exceeded the 4KB limit"));
  EXPECT_THAT(error([](auto& r) { r.settings.runtime = "java21"; }), HasSubstr("java21 is not supported"));
  EXPECT_THAT(error([](auto& r) { r.settings.handler.reset(); }), HasSubstr("Runtime and Handler are mandatory"));
  EXPECT_THAT(error([](auto& r) { r.settings.timeout_seconds = 901; }), HasSubstr("between 1 and 900"));
  EXPECT_THAT(error([](auto& r) { r.settings.memory_mb = 64; }), HasSubstr("between 128 and 10240"));
  EXPECT_THAT(error([](auto& r) {
                r.settings.architecture = "arm64";
                r.settings.runtime = "provided.al2023";
              }),
              HasSubstr("Architectures: arm64"));
  EXPECT_THAT(error([](auto& r) { r.settings.dead_letter_arn = "arn:aws:sns:us-east-1:000000000000:t"; }),
              HasSubstr("is invalid"));
  EXPECT_THAT(error([](auto& r) { r.code.archive = "no zip"; }), HasSubstr("Could not unzip uploaded file"));
  EXPECT_THAT(error([](auto& r) { r.code.archive = archive("../evil"); }), HasSubstr("leave its folder"));
  EXPECT_THAT(error([](auto& r) { r.code = {.bucket = "b", .key = "k"}; }), HasSubstr("not available"));
  EXPECT_FALSE(functions_->get(name("bad")).ok());
}

TEST_F(FunctionsTest, ScriptsAreTakenForEitherArchitecture) {
  auto scripted = request("scripted");
  scripted.settings.architecture = "arm64";
  ASSERT_TRUE(create(scripted).ok());
  EXPECT_EQ(functions_->get(name("scripted"))->settings.architecture, "arm64");
}

TEST_F(FunctionsTest, CodeComesFromAnObject) {
  options_.fetch_object = [](const Scope&, const std::string& bucket, const std::string& key,
                             const std::string&) -> Result<std::string> {
    if (bucket == "b" && key == "k") return archive();
    static constexpr ErrorType kNoSuchKey{"NoSuchKey", 404, ErrorKind::kClient};
    return Error(kNoSuchKey, "The specified key does not exist.");
  };
  restart();
  auto good = request("f");
  good.code = {.bucket = "b", .key = "k"};
  EXPECT_TRUE(create(good).ok());
  good.name = name("g");
  good.code.key = "other";
  EXPECT_EQ(
      create(good).error().message(),
      "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.");
}

TEST_F(FunctionsTest, NewCodeAndSettingsTakeEffectAtTheNextInvocation) {
  const auto first = make("f");
  ASSERT_TRUE(invoke("f").ok());
  ASSERT_TRUE(invoke("f").ok());
  EXPECT_EQ(runtimes_->created, 1);
  std::optional<Result<Function>> updated;
  functions_->update_code(
      {.name = name("f"), .code = {.archive = archive("index.js", "new")}, .revision = first.revision},
      [&](auto r) { updated = std::move(r); });
  scheduler_->run_ready();
  ASSERT_TRUE(updated->ok());
  EXPECT_NE((*updated)->code.sha256, first.code.sha256);
  EXPECT_NE((*updated)->revision, first.revision);
  ASSERT_TRUE(invoke("f").ok());
  EXPECT_EQ(runtimes_->created, 2);
  EXPECT_TRUE(
      functions_->update_settings(name("f"), {.description = "d"}, first.revision).error().is(kPreconditionFailed));
  ASSERT_TRUE(functions_->update_settings(name("f"), {.timeout_seconds = 9}, std::nullopt).ok());
  runtimes_->behave = [](const auto& call) {
    return FakeRuntimes::answered(std::to_string(call.spec.timeout.count()));
  };
  EXPECT_EQ(invoke("f")->payload, "9000");
}

TEST_F(FunctionsTest, AFolderStandsForAZip) {
  const auto folder = folder_ / "hot";
  fs::create_directories(folder);
  std::ofstream(folder / "index.js") << "1";
  auto hot = request("f");
  hot.code = {.bucket = "hot-reload", .key = folder.string()};
  ASSERT_TRUE(create(hot).ok());
  ASSERT_TRUE(invoke("f").ok());
  ASSERT_TRUE(invoke("f").ok());
  EXPECT_EQ(runtimes_->created, 1);
  std::ofstream(folder / "index.js") << "22";
  ASSERT_TRUE(invoke("f").ok());
  EXPECT_EQ(runtimes_->created, 2);
  hot.name = name("g");
  hot.code.key = "relative/folder";
  EXPECT_THAT(create(hot).error().message(), HasSubstr("not the absolute path of a folder"));
}

TEST_F(FunctionsTest, DeletedFunctionsAreGoneWithTheirEvents) {
  make("f");
  runtimes_->behave = [](const auto&) { return FakeRuntimes::failed("x"); };
  send("f");
  ASSERT_TRUE(functions_->remove(name("f")).ok());
  scheduler_->run_ready();
  EXPECT_EQ(queued_keys(), 0u);
  advance(std::chrono::hours(7));
  EXPECT_THAT(invoked(), SizeIs(1));
  EXPECT_TRUE(fs::is_empty(folder_ / "functions/000000000000/us-east-1/f")) << "code is removed after a while";
  restart();
  EXPECT_THAT(functions_->list(Scope{}), IsEmpty());
}

TEST_F(FunctionsTest, LeftoversOfCodeAreRemovedAtStart) {
  make("f");
  const auto stray = folder_ / "functions/000000000000/us-east-1/f/0123";
  fs::create_directories(stray);
  restart();
  EXPECT_FALSE(fs::exists(stray));
  EXPECT_TRUE(fs::exists(*functions_->archive_of({name("f"), ""})));
}

TEST(FunctionNames, AreUnderstoodInEveryForm) {
  const Scope scope{"111111111111", "eu-west-1"};
  for (const char* text :
       {"f", "111111111111:f", "111111111111:function:f", "arn:aws:lambda:eu-west-1:111111111111:function:f"}) {
    const auto reference = parse_reference(scope, text);
    ASSERT_TRUE(reference.has_value()) << text;
    EXPECT_EQ(reference->function, (FunctionName{scope, "f"})) << text;
    EXPECT_EQ(parse_reference(scope, std::string(text) + ":$LATEST")->qualifier, "$LATEST") << text;
  }
  EXPECT_EQ(parse_reference(scope, "arn:aws:lambda:us-east-1:222222222222:function:f")->function.scope.region,
            "us-east-1");
  for (const char* text : {"", "a b", "f:1:2", "arn:aws:s3:::b", "arn:aws:lambda:us-east-1:x:function:f"}) {
    EXPECT_FALSE(parse_reference(scope, text).has_value()) << text;
  }
}

// ---- invocation

TEST_F(FunctionsTest, PayloadsAreChecked) {
  make("f");
  EXPECT_EQ(invoke("f", "")->payload, "{}");
  EXPECT_TRUE(invoke("f", "{").error().is(kInvalidRequestContent));
  EXPECT_THAT(invoke("f", "{").error().message(), StartsWith("Could not parse request body into json: "));
  const auto large = invoke("f", "\"" + std::string(kSyncPayloadBytesMax, 'x') + "\"");
  EXPECT_EQ(large.error().message(),
            "6291458 byte payload is too large for the RequestResponse invocation type (service limit 6291456 bytes)");
}

TEST_F(FunctionsTest, ReservedConcurrencyThrottles) {
  make("f");
  ASSERT_TRUE(functions_->put_concurrency(name("f"), 1).ok());
  runtimes_->hold = true;
  int answered = 0;
  functions_->invoke({.target = {name("f"), ""}}, [&](auto) { ++answered; });
  const auto second = invoke("f");
  ASSERT_FALSE(second.ok());
  EXPECT_TRUE(second.error().is(kTooManyRequests));
  EXPECT_EQ(second.error().details()[0].second, "\"ReservedFunctionConcurrentInvocationLimitExceeded\"");
  runtimes_->held[0].done(FakeRuntimes::answered("1"));
  EXPECT_EQ(answered, 1);
  runtimes_->hold = false;
  EXPECT_TRUE(invoke("f").ok());
  ASSERT_TRUE(functions_->put_concurrency(name("f"), 0).ok());
  EXPECT_TRUE(invoke("f").error().is(kTooManyRequests));
  ASSERT_TRUE(functions_->delete_concurrency(name("f")).ok());
  EXPECT_TRUE(invoke("f").ok());
}

TEST_F(FunctionsTest, ReservationsLeaveAHundredToTheAccount) {
  make("f");
  make("g");
  ASSERT_TRUE(functions_->put_concurrency(name("f"), 900).ok());
  ASSERT_TRUE(functions_->put_concurrency(name("f"), 900).ok()) << "its own reservation does not count against it";
  EXPECT_EQ(
      functions_->put_concurrency(name("g"), 1).error().message(),
      "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
      "minimum value of [100].");
  EXPECT_EQ(functions_->concurrency(Scope{}).unreserved, 100);
}

TEST_F(FunctionsTest, TheAccountsLimitThrottlesWhatIsNotReserved) {
  options_.account_concurrency = 101;
  restart();
  make("f");
  make("g");
  ASSERT_TRUE(functions_->put_concurrency(name("g"), 1).ok());
  runtimes_->hold = true;
  for (int i = 0; i < 100; ++i) functions_->invoke({.target = {name("f"), ""}}, [](auto) {});
  const auto refused = invoke("f");
  EXPECT_EQ(refused.error().details()[0].second, "\"ConcurrentInvocationLimitExceeded\"");
  EXPECT_EQ(invoke("g").error().message(), "no answer yet") << "a reservation is not touched by others";
}

TEST_F(FunctionsTest, MappingsLearnWhyNothingRan) {
  using Kind = MappingResult::Kind;
  make("f");
  const auto arn = name("f").arn();
  std::vector<MappingResult> results;
  const auto ask = [&](const std::string& which) {
    functions_->invoke_for_mapping(which, "request-1", "{}", {},
                                   [&](MappingResult r) { results.push_back(std::move(r)); });
    scheduler_->run_ready();
  };
  runtimes_->behave = [](const auto&) { return FakeRuntimes::failed("no"); };
  ask(arn);
  EXPECT_EQ(results.back().kind, Kind::kInvoked);
  EXPECT_EQ(results.back().answer.function_error, "Unhandled");
  ask(arn + "x");
  EXPECT_EQ(results.back().kind, Kind::kMissing);
  runtimes_->behave = [](const auto&) { return Outcome{.kind = Outcome::Kind::kNoCapacity}; };
  ask(arn);
  EXPECT_EQ(results.back().kind, Kind::kThrottled);
  runtimes_->behave = [](const auto&) { return Outcome{.kind = Outcome::Kind::kStopped}; };
  ask(arn);
  EXPECT_EQ(results.back().kind, Kind::kUnavailable);
  EXPECT_THAT(functions_->history(name("f")), SizeIs(1));
  EXPECT_EQ(functions_->history(name("f"))[0].source, "mapping");
  EXPECT_EQ(registry_.counter("lambda_errors_total", {{"function", "f"}, {"region", "us-east-1"}}).value(), 1u);
}

// ---- asynchronous

TEST_F(FunctionsTest, EventsRunOnceTheyAreDurable) {
  make("f");
  commits_->hold();
  ASSERT_TRUE(functions_->invoke_async({.target = {name("f"), ""}, .payload = "1"}).ok());
  scheduler_->run_ready();
  EXPECT_THAT(invoked(), IsEmpty());
  commits_->release();
  scheduler_->run_ready();
  EXPECT_THAT(invoked(), ElementsAre("f 1"));
  EXPECT_EQ(queued_keys(), 0u);
}

TEST_F(FunctionsTest, FailedEventsAreTriedAgainAfterOneAndTwoMinutes) {
  make("f");
  configure("f", {.replace = true, .on_failure = kQueueArn});
  runtimes_->behave = [](const auto&) { return FakeRuntimes::failed("broken"); };
  const Time start = scheduler_->now();
  send("f", R"({"a":1})");
  advance(std::chrono::minutes(10));
  ASSERT_THAT(runtimes_->log, SizeIs(3));
  EXPECT_EQ(runtimes_->log[1].first - start, std::chrono::minutes(1));
  EXPECT_EQ(runtimes_->log[2].first - start, std::chrono::minutes(3));
  ASSERT_THAT(mailbox_.messages, SizeIs(1));
  const auto record = document(0);
  const auto* context = record.find("requestContext");
  EXPECT_EQ(context->string_or("condition", ""), "RetriesExhausted");
  EXPECT_EQ(context->int_or("approximateInvokeCount", 0), 3);
  EXPECT_EQ(context->string_or("functionArn", ""), name("f").arn() + ":$LATEST");
  EXPECT_EQ(record.find("requestPayload")->dump(), R"({"a":1})");
  EXPECT_EQ(record.find("responseContext")->dump(),
            R"({"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"})");
  EXPECT_EQ(record.find("responsePayload")->string_or("errorMessage", ""), "broken");
  EXPECT_EQ(queued_keys(), 0u);
}

TEST_F(FunctionsTest, SuccessGoesToItsDestination) {
  make("f");
  configure("f", {.replace = true, .on_success = kQueueArn, .on_failure = kLettersArn});
  send("f", "5");
  ASSERT_THAT(mailbox_.messages, SizeIs(1));
  EXPECT_EQ(mailbox_.messages[0].first, kQueueArn);
  EXPECT_EQ(document(0).find("requestContext")->string_or("condition", ""), "Success");
  EXPECT_EQ(document(0).find("responsePayload")->as_int(), 5);
  EXPECT_EQ(document(0).find("responseContext")->find("functionError"), nullptr);
}

TEST_F(FunctionsTest, TheDeadLetterQueueGetsTheEventItself) {
  auto create_request = request("f");
  create_request.settings.dead_letter_arn = kLettersArn;
  ASSERT_TRUE(create(std::move(create_request)).ok());
  configure("f", {.replace = true, .retries_max = 0, .on_failure = kQueueArn});
  runtimes_->behave = [](const auto&) { return FakeRuntimes::failed("broken"); };
  send("f", R"({"a":1})");
  ASSERT_THAT(mailbox_.messages, SizeIs(2));
  EXPECT_EQ(mailbox_.messages[1].first, kLettersArn);
  const auto& letter = mailbox_.messages[1].second;
  EXPECT_EQ(letter.body, R"({"a":1})");
  ASSERT_THAT(letter.attributes, SizeIs(3));
  EXPECT_EQ(letter.attributes[1].value, "200");
  EXPECT_EQ(letter.attributes[2].value, "broken");
}

TEST_F(FunctionsTest, ThrottledEventsBackOffWithoutUsingAttemptsUntilTheirAge) {
  make("f");
  configure("f", {.replace = true, .retries_max = 0, .age_seconds_max = 60, .on_failure = kQueueArn});
  runtimes_->behave = [](const auto&) { return Outcome{.kind = Outcome::Kind::kNoCapacity}; };
  const Time start = scheduler_->now();
  send("f");
  advance(std::chrono::seconds(59));
  // 0, then after 1, 2, 4, 8, 16 s; the next would be 32 s later, beyond the age.
  std::vector<std::int64_t> seconds;
  for (const auto& [time, what] : runtimes_->log) seconds.push_back((time - start).count() / 1000);
  EXPECT_THAT(seconds, ElementsAre(0, 1, 3, 7, 15, 31));
  EXPECT_THAT(mailbox_.messages, IsEmpty());
  advance(std::chrono::seconds(1));
  ASSERT_THAT(mailbox_.messages, SizeIs(1));
  EXPECT_EQ(document(0).find("requestContext")->string_or("condition", ""), "EventAgeExceeded");
  EXPECT_EQ(document(0).find("responsePayload"), nullptr);
}

TEST_F(FunctionsTest, AgeKeepsTheLastResponse) {
  make("f");
  configure("f", {.replace = true, .retries_max = 2, .age_seconds_max = 90, .on_failure = kQueueArn});
  runtimes_->behave = [](const auto&) { return FakeRuntimes::failed("broken"); };
  send("f");
  advance(std::chrono::minutes(5));
  ASSERT_THAT(mailbox_.messages, SizeIs(1));
  EXPECT_EQ(document(0).find("requestContext")->string_or("condition", ""), "EventAgeExceeded");
  EXPECT_EQ(document(0).find("requestContext")->int_or("approximateInvokeCount", 0), 2);
  EXPECT_EQ(document(0).find("responsePayload")->string_or("errorMessage", ""), "broken");
}

TEST_F(FunctionsTest, ZeroReservedConcurrencySendsEventsAway) {
  make("f");
  configure("f", {.replace = true, .on_failure = kQueueArn});
  ASSERT_TRUE(functions_->put_concurrency(name("f"), 0).ok());
  send("f");
  ASSERT_THAT(mailbox_.messages, SizeIs(1));
  EXPECT_EQ(document(0).find("requestContext")->string_or("condition", ""), "ZeroReservedConcurrency");
  EXPECT_EQ(document(0).find("requestContext")->int_or("approximateInvokeCount", 9), 0);
  EXPECT_THAT(invoked(), IsEmpty());
}

TEST_F(FunctionsTest, EventsSurviveARestartWithTheirAttempts) {
  make("f");
  configure("f", {.replace = true, .on_failure = kQueueArn});
  runtimes_->behave = [](const auto&) { return FakeRuntimes::failed("broken"); };
  send("f", "1");
  runtimes_->hold = true;
  send("f", "2");  // in flight at the restart
  restart();
  EXPECT_THAT(invoked(), ElementsAre("f 2"));
  advance(std::chrono::minutes(4));
  ASSERT_THAT(mailbox_.messages, SizeIs(2));
  EXPECT_EQ(document(0).find("requestContext")->int_or("approximateInvokeCount", 0), 3);
  EXPECT_EQ(queued_keys(), 0u);
}

TEST_F(FunctionsTest, ADrainBeginsNoDeliveryAndChargesNoAttempt) {
  make("f");
  configure("f", {.replace = true, .retries_max = 0, .on_failure = kQueueArn});
  runtimes_->hold = true;
  send("f", "1");
  functions_->drain();
  send("f", "2");
  EXPECT_THAT(invoked(), ElementsAre("f 1"));
  std::optional<MappingResult> mapping;
  functions_->invoke_for_mapping(name("f").arn(), "request-1", "{}", {},
                                 [&](MappingResult r) { mapping = std::move(r); });
  scheduler_->run_ready();
  EXPECT_EQ(mapping.value().kind, MappingResult::Kind::kUnavailable);
  runtimes_->held[0].done(FakeRuntimes::failed("the server did not answer"));
  scheduler_->run_ready();
  runtimes_->hold = false;
  EXPECT_TRUE(invoke("f", "3").ok());
  restart();
  EXPECT_THAT(invoked(), UnorderedElementsAre("f 1", "f 2"));
  EXPECT_THAT(mailbox_.messages, IsEmpty());
}

TEST_F(FunctionsTest, ASlowFunctionDelaysNoOther) {
  make("slow");
  make("quick");
  ASSERT_TRUE(functions_->put_concurrency(name("slow"), 2).ok());
  runtimes_->hold = true;
  for (int i = 0; i < 5; ++i) send("slow", std::to_string(i));
  EXPECT_THAT(runtimes_->held, SizeIs(2)) << "no more than it may run";
  runtimes_->hold = false;
  send("quick", "9");
  EXPECT_THAT(invoked(), ElementsAre("slow 0", "slow 1", "quick 9"));
  const auto status = functions_->async_status();
  ASSERT_THAT(status, SizeIs(1));
  EXPECT_EQ(status[0].running, 2);
  EXPECT_EQ(status[0].waiting, 3u);
  for (const auto& call : runtimes_->held) call.done(FakeRuntimes::answered("1"));
  scheduler_->run_ready();
  EXPECT_THAT(invoked(), SizeIs(6));
  EXPECT_THAT(functions_->async_status(), IsEmpty());
}

TEST_F(FunctionsTest, ALongQueueIsReadPieceByPieceInOrder) {
  make("f");
  ASSERT_TRUE(functions_->put_concurrency(name("f"), 1).ok());
  runtimes_->hold = true;
  const std::size_t count = kAsyncWindow + 500;
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_TRUE(functions_->invoke_async({.target = {name("f"), ""}, .payload = std::to_string(i)}).ok());
    if (i % 97 == 0) scheduler_->run_ready();
  }
  scheduler_->run_ready();
  EXPECT_TRUE(functions_->async_status()[0].more);
  EXPECT_LE(functions_->async_status()[0].waiting, kAsyncWindow);
  runtimes_->hold = false;
  runtimes_->held[0].done(FakeRuntimes::answered("1"));
  scheduler_->run_ready();
  ASSERT_THAT(runtimes_->log, SizeIs(count));
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(runtimes_->log[i].second, "f " + std::to_string(i));
  EXPECT_EQ(queued_keys(), 0u);
}

TEST_F(FunctionsTest, AFunctionCanBeADestination) {
  make("f");
  make("next");
  configure("f", {.replace = true, .on_success = name("next").arn()});
  send("f", "1");
  EXPECT_THAT(invoked(), ElementsAre("f 1", HasSubstr("next {\"version\":\"1.0\"")));
  EXPECT_EQ(queued_keys(), 0u);
  EXPECT_EQ(functions_->put_event_invoke({name("f"), ""}, {.on_success = name("f").arn()}).error().message(),
            "You can't specify the function as a destination for itself.");
}

TEST_F(FunctionsTest, ADestinationThatIsGoneIsCountedNotRetried) {
  make("f");
  configure("f", {.replace = true, .on_success = "arn:aws:sqs:us-east-1:000000000000:gone"});
  send("f");
  EXPECT_EQ(queued_keys(), 0u);
  EXPECT_EQ(
      registry_.counter("lambda_destination_delivery_failures_total", {{"function", "f"}, {"region", "us-east-1"}})
          .value(),
      1u);
}

TEST_F(FunctionsTest, AsynchronousPayloadsHaveALimitOfTheirOwn) {
  options_.async_payload_bytes_max = 262144;
  restart();
  make("f");
  const auto refused =
      functions_->invoke_async({.target = {name("f"), ""}, .payload = "\"" + std::string(262144, 'x') + "\""});
  EXPECT_TRUE(refused.error().is(kRequestEntityTooLarge));
  EXPECT_EQ(refused.error().message(),
            "262146 byte payload is too large for the Event invocation type (service limit 262144 bytes)");
}

TEST_F(FunctionsTest, EventInvokeConfigsAreReplacedOrMerged) {
  make("f");
  EXPECT_THAT(functions_->get_event_invoke({name("f"), ""}).error().message(),
              HasSubstr("doesn't have an EventInvokeConfig"));
  EXPECT_THAT(functions_->put_event_invoke({name("f"), ""}, {.replace = true}).error().message(),
              HasSubstr("at least one of error handling"));
  EXPECT_FALSE(functions_->put_event_invoke({name("f"), ""}, {.retries_max = 1}).ok()) << "nothing to merge with";
  configure("f", {.replace = true, .retries_max = 1});
  configure("f", {.age_seconds_max = 100});
  EXPECT_EQ(functions_->get_event_invoke({name("f"), ""})->retries_max, 1);
  configure("f", {.replace = true, .age_seconds_max = 200});
  EXPECT_EQ(functions_->get_event_invoke({name("f"), ""})->retries_max, std::nullopt);
  ASSERT_TRUE(functions_->delete_event_invoke({name("f"), ""}).ok());
  EXPECT_FALSE(functions_->delete_event_invoke({name("f"), ""}).ok());
  EXPECT_EQ(functions_->put_event_invoke({name("g"), ""}, {.replace = true, .retries_max = 1}).error().message(),
            "The function doesn't exist.");
}

// ---- measurements

TEST_F(FunctionsTest, TheObserverIsToldWhatCloudWatchCounts) {
  struct Kept final : Observer {
    void observe(const Measurement& m) override {
      all.push_back(std::string(metric_name(m.metric)) + " " + (m.resource.empty() ? "account" : m.resource) + " " +
                    std::to_string(static_cast<int>(m.value)));
    }
    std::vector<std::string> all;
  } kept;
  functions_->set_observer(kept);
  make("f");
  runtimes_->behave = [](const auto&) {
    auto outcome = FakeRuntimes::failed("no");
    outcome.duration = Milliseconds(7);
    return outcome;
  };
  ASSERT_TRUE(invoke("f", "{}", "$LATEST").ok());
  EXPECT_THAT(kept.all, ElementsAre("ConcurrentExecutions f:$LATEST 1", "ConcurrentExecutions account 1",
                                    "UnreservedConcurrentExecutions account 1", "Invocations f:$LATEST 1",
                                    "Errors f:$LATEST 1", "Duration f:$LATEST 7"));
  kept.all.clear();
  configure("f", {.replace = true, .retries_max = 0, .on_failure = std::string(kQueueArn) + ":gone"});
  send("f");
  EXPECT_THAT(kept.all, ::testing::IsSupersetOf({"AsyncEventsReceived f 1", "AsyncEventAge f 0", "Invocations f 1",
                                                 "AsyncEventsDropped f 1", "DestinationDeliveryFailures f 1"}));
  kept.all.clear();
  ASSERT_TRUE(functions_->put_concurrency(name("f"), 0).ok());
  EXPECT_FALSE(invoke("f").ok());
  EXPECT_THAT(kept.all, ElementsAre("Throttles f 1"));
}

// ---- versions and aliases

TEST_F(FunctionsTest, AVersionKeepsItsCodeAndConfigurationWhileLatestChanges) {
  make("f");
  SettingsChange change{.variables = one("A", "1")};
  ASSERT_TRUE(functions_->update_settings(name("f"), change, std::nullopt).ok());
  const auto version = functions_->publish({.name = name("f"), .description = "first"});
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(version->version, "1");
  EXPECT_EQ(version->settings.description, "first");
  change.variables = one("A", "2");
  ASSERT_TRUE(functions_->update_settings(name("f"), change, std::nullopt).ok());
  std::optional<Result<Function>> updated;
  functions_->update_code({.name = name("f"), .code = {.archive = archive("other.js")}},
                          [&](Result<Function> result) { updated = std::move(result); });
  scheduler_->run_ready();
  ASSERT_TRUE(updated && updated->ok());
  advance(Seconds(3600));  // code that nobody uses is gone
  scheduler_->run_ready();
  restart();
  runtimes_->behave = [](const auto& call) {
    return FakeRuntimes::answered(call.spec.version + " " + call.spec.variables[0].second + " " +
                                  (fs::exists(fs::path(call.spec.code_folder) / "index.js") ? "old" : "new") + " " +
                                  call.invocation.invoked_arn.substr(call.invocation.invoked_arn.rfind(':') + 1));
  };
  const auto first = invoke("f", "{}", "1");
  EXPECT_EQ(first->payload, "1 1 old 1");
  EXPECT_EQ(first->executed_version, "1");
  EXPECT_EQ(invoke("f")->payload, "$LATEST 2 new f");
  EXPECT_TRUE(functions_->get(FunctionReference{name("f"), "1"}).ok());
  EXPECT_EQ(functions_->get(FunctionReference{name("f"), "2"}).error().message(),
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:2");
  EXPECT_FALSE(functions_->get(FunctionReference{name("f"), "01"}).ok());
}

TEST_F(FunctionsTest, WithoutAChangeThereIsNoNewVersion) {
  make("f");
  EXPECT_EQ(functions_->publish({.name = name("f")})->version, "1");
  EXPECT_EQ(functions_->publish({.name = name("f"), .description = "again"})->version, "1");
  ASSERT_TRUE(functions_->update_settings(name("f"), {.description = "new"}, std::nullopt).ok());
  EXPECT_EQ(functions_->publish({.name = name("f")})->version, "2");
  ASSERT_TRUE(functions_->remove_version(name("f"), "2").ok());
  scheduler_->run_ready();
  restart();
  EXPECT_EQ(functions_->publish({.name = name("f")})->version, "3");  // numbers are never used again
  EXPECT_THAT(functions_->versions(name("f")), SizeIs(2));
}

TEST_F(FunctionsTest, PublishingChecksWhatTheCallerExpects) {
  const auto made = make("f");
  EXPECT_TRUE(functions_->publish({.name = name("f"), .revision = "old"}).error().is(kPreconditionFailed));
  const auto wrong = functions_->publish({.name = name("f"), .code_sha256 = "x"});
  EXPECT_EQ(wrong.error().message(), "CodeSHA256 (x) is different from current CodeSHA256 in $LATEST (" +
                                         made.code.sha256 + "). Please try again with the CodeSHA256 in $LATEST.");
  EXPECT_TRUE(
      functions_->publish({.name = name("f"), .code_sha256 = made.code.sha256, .revision = made.revision}).ok());
  EXPECT_TRUE(functions_->publish({.name = name("nope")}).error().is(kResourceNotFound));
}

TEST_F(FunctionsTest, AWeightedAliasRunsBothVersionsInProportion) {
  make("f");
  ASSERT_TRUE(functions_->publish({.name = name("f")}).ok());
  ASSERT_TRUE(functions_->update_settings(name("f"), {.description = "two"}, std::nullopt).ok());
  ASSERT_TRUE(functions_->publish({.name = name("f")}).ok());
  ASSERT_TRUE(functions_->create_alias(name("f"), "live", {.version = "1"}).ok());
  EXPECT_EQ(invoke("f", "{}", "live")->executed_version, "1");
  AliasChange change;
  change.weights = std::map<std::string, double>{{"2", 0.25}};
  ASSERT_TRUE(functions_->update_alias(name("f"), "live", change).ok());
  scheduler_->run_ready();
  restart();
  std::map<std::string, int> counts;
  for (int i = 0; i < 400; ++i) ++counts[invoke("f", "{}", "live")->executed_version];
  EXPECT_NEAR(counts["2"], 100, 30);
  EXPECT_EQ(counts["1"] + counts["2"], 400);
  MappingResult mapped;
  change.weights = std::map<std::string, double>{{"2", 1.0}};
  ASSERT_TRUE(functions_->update_alias(name("f"), "live", change).ok());
  functions_->invoke_for_mapping(name("f").arn() + ":live", "id", "{}", {},
                                 [&](MappingResult r) { mapped = std::move(r); });
  scheduler_->run_ready();
  EXPECT_EQ(mapped.answer.executed_version, "2");
}

TEST_F(FunctionsTest, WhatAnAliasMayNotBeIsRefused) {
  make("f");
  ASSERT_TRUE(functions_->publish({.name = name("f")}).ok());
  const auto refused = [&](std::string version, std::map<std::string, double> weights) {
    const auto result = functions_->create_alias(name("f"), "a", {.version = std::move(version), .weights = weights});
    return result.ok() ? "created" : result.error().message();
  };
  EXPECT_EQ(refused("7", {}), "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:7");
  EXPECT_THAT(refused("$LATEST", {{"1", 0.5}}), StartsWith("$LATEST is not supported for an alias pointing to more"));
  EXPECT_THAT(refused("1", {{"1", 0.5}}), HasSubstr("already included in routing configuration"));
  EXPECT_THAT(refused("1", {{"1", 0.5}, {"2", 0.1}}), HasSubstr("cannot be greater than 1"));
  EXPECT_THAT(refused("1", {{"9", 0.5}}), HasSubstr("Function not found"));
  EXPECT_EQ(refused("1", {}), "created");
  EXPECT_EQ(refused("1", {}), "Alias already exists: arn:aws:lambda:us-east-1:000000000000:function:f:a");
  EXPECT_TRUE(functions_->update_alias(name("f"), "a", {.revision = "old"}).error().is(kPreconditionFailed));
  EXPECT_EQ(functions_->remove_version(name("f"), "1").error().message(),
            "Unable to delete version because the following aliases reference it: [a]");
  ASSERT_TRUE(functions_->remove_alias(name("f"), "a").ok());
  EXPECT_TRUE(functions_->remove_version(name("f"), "1").ok());
  EXPECT_EQ(functions_->get_alias(name("f"), "a").error().message(),
            "Cannot find alias arn: arn:aws:lambda:us-east-1:000000000000:function:f:a");
}

TEST_F(FunctionsTest, EventsOfAnAliasHaveItsSettingsAndTellTheVersion) {
  make("f");
  ASSERT_TRUE(functions_->publish({.name = name("f")}).ok());
  ASSERT_TRUE(functions_->create_alias(name("f"), "live", {.version = "1"}).ok());
  const FunctionReference live{name("f"), "live"};
  ASSERT_TRUE(functions_->put_event_invoke(live, {.replace = true, .on_success = kQueueArn}).ok());
  ASSERT_TRUE(functions_->invoke_async({.target = live, .payload = "1"}).ok());
  send("f", "2");
  scheduler_->run_ready();
  ASSERT_THAT(mailbox_.messages, SizeIs(1));  // $LATEST has no destination
  const auto sent = document(0);
  EXPECT_EQ(sent.find("requestContext")->string_or("functionArn", ""), live.arn());
  EXPECT_EQ(sent.find("responseContext")->string_or("executedVersion", ""), "1");
  EXPECT_EQ(functions_->get_event_invoke({name("f"), ""}).error().message(),
            "The function arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST doesn't have an EventInvokeConfig");
  // Events of an alias that is gone are dropped; those of others are not.
  ASSERT_TRUE(functions_->put_concurrency(name("f"), 1).ok());
  runtimes_->hold = true;
  send("f", "3");
  ASSERT_TRUE(functions_->invoke_async({.target = live, .payload = "4"}).ok());
  scheduler_->run_ready();
  ASSERT_TRUE(functions_->remove_alias(name("f"), "live").ok());
  runtimes_->hold = false;
  auto held = std::move(runtimes_->held);
  for (auto& call : held) call.done(FakeRuntimes::answered("1"));
  advance(Seconds(10));
  EXPECT_EQ(invoked().back(), "f 3");
  EXPECT_EQ(queued_keys(), 0u);
}

TEST_F(FunctionsTest, DeletingAFunctionTakesItsVersionsAliasesAndPolicies) {
  make("f");
  ASSERT_TRUE(functions_->publish({.name = name("f")}).ok());
  ASSERT_TRUE(functions_->create_alias(name("f"), "live", {.version = "1"}).ok());
  ASSERT_TRUE(functions_->add_permission({name("f"), ""}, {.sid = "s", .action = "a", .principal = "*"}, {}).ok());
  ASSERT_TRUE(functions_->remove(name("f")).ok());
  scheduler_->run_ready();
  restart();
  make("f");
  EXPECT_THAT(functions_->versions(name("f")), IsEmpty());
  EXPECT_THAT(*functions_->aliases(name("f")), IsEmpty());
  EXPECT_FALSE(functions_->policy({name("f"), ""}).ok());
  EXPECT_FALSE(invoke("f", "{}", "1").ok());
}

TEST_F(FunctionsTest, PermissionsAreRenderedAsStatements) {
  make("f");
  const FunctionReference f{name("f"), ""};
  EXPECT_EQ(functions_->policy(f).error().message(), "The resource you requested does not exist.");
  const auto added = functions_->add_permission(f,
                                                {.sid = "s3",
                                                 .action = "lambda:InvokeFunction",
                                                 .principal = "s3.amazonaws.com",
                                                 .source_arn = "arn:aws:s3:::b",
                                                 .source_account = "111122223333"},
                                                {});
  ASSERT_TRUE(added.ok());
  EXPECT_EQ(
      added->dump(),
      R"({"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction",)"
      R"("Resource":"arn:aws:lambda:us-east-1:000000000000:function:f",)"
      R"("Condition":{"StringEquals":{"AWS:SourceAccount":"111122223333"},"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}})");
  EXPECT_THAT(functions_->add_permission(f, {.sid = "s3", .principal = "*"}, {}).error().message(),
              HasSubstr("(s3) provided already exists"));
  EXPECT_TRUE(functions_->add_permission(f, {.sid = "x"}, "old").error().is(kPreconditionFailed));
  EXPECT_TRUE(functions_->add_permission({name("f"), "$LATEST"}, {.sid = "x"}, {}).error().is(kInvalidParameterValue));
  EXPECT_EQ(statement_of({.sid = "a", .principal = "111122223333"}, "r").find("Principal")->dump(),
            R"({"AWS":"arn:aws:iam::111122223333:root"})");
  scheduler_->run_ready();
  restart();
  EXPECT_THAT(functions_->policy(f)->document(),
              StartsWith(R"({"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"s3")"));
  EXPECT_EQ(functions_->remove_permission(f, "nope", {}).error().message(),
            "Statement nope is not found in resource policy.");
  EXPECT_TRUE(functions_->remove_permission(f, "s3", {}).ok());
  EXPECT_FALSE(functions_->policy(f).ok());
}

}  // namespace
}  // namespace millrace::functions
