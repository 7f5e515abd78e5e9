#include "deliveries.h"

#include <algorithm>
#include <memory>
#include <random>
#include <thread>

#include "delivering.h"
#include "must.h"
#include "testing/zip.h"

namespace millrace::powercut {
namespace {

sqs::QueueName queue(const std::string& name) { return {kScope, name}; }
functions::FunctionName function(const std::string& name) { return {kScope, name}; }
sns::TopicName topic(const std::string& name) { return {kScope, name}; }

Ears ears() {
  return {[](const std::string& function, std::uint64_t number) { note("handed " + function, number); },
          [](const std::string& function, std::uint64_t number) { note("done " + function, number); }};
}

class Load {
 public:
  explicit Load(std::uint64_t seed) : dice_(seed) {}

  void create(Deliveries& at) {
    tables::CreateRequest table;
    table.name = kItems;
    table.definitions = {{"id", model::KeyType::kString}};
    table.keys = {{"id", true}};
    table.billing = tables::BillingMode::kPayPerRequest;
    table.stream = tables::StreamRequest{true, model::ViewType::kNewAndOldImages};
    last_ = must(at.services().tables().create(kScope, table), "create").after;
    auto& queues = at.services().queues();
    for (const char* name :
         {"dead", "undelivered", "done", "failed", "voiced", "aired", "aired_too", "news", "news_too"})
      must(queues.create_queue(queue(name), {}, {}), "queue");
    const std::string redrive =
        R"({"deadLetterTargetArn":")" + queue_arn(queue("dead")) + R"(","maxReceiveCount":"3"})";
    must(queues.create_queue(queue("work"), {{"RedrivePolicy", redrive}}, {}), "queue");
    (void)must(at.objects().create_bucket(kScope.account, kScope.region, kBucket), "bucket");
    for (const char* name :
         {"bisected", "whole", "worker", "told", "kept", "plain", "chained", "after", "voiced", "aired", "listener"})
      create_function(at, name);
    functions::EventInvokeChange change{.replace = true, .retries_max = 1};
    for (const char* name : {"plain", "after", "listener"})
      (void)must(at.functions().put_event_invoke({function(name), ""}, change), "events");
    change.on_success = function("after").arn();
    (void)must(at.functions().put_event_invoke({function("chained"), ""}, change), "events");
    change.on_success.reset();
    change.on_failure = std::string("arn:aws:s3:::") + kBucket;
    (void)must(at.functions().put_event_invoke({function("kept"), ""}, change), "events");
    change.on_success = queue_arn(queue("done"));
    change.on_failure = queue_arn(queue("failed"));
    (void)must(at.functions().put_event_invoke({function("told"), ""}, change), "events");
    wait(at);
    subscribe(at);
    wait(at);
    change.on_success = sns::topic_arn(topic("airing"));
    change.on_failure = sns::topic_arn(topic("airing"));
    (void)must(at.functions().put_event_invoke({function("aired"), ""}, change), "events");
    map(at);
    wait(at);
    note("created", 0);
  }

  void step(Deliveries& at) {
    const std::uint64_t burst = dice_() % 3 == 0 ? dice_() % 12 : 1;
    for (std::uint64_t i = 0; i < burst; ++i) change(at);
    if (dice_() % 3 == 0) wait(at);
    if (dice_() % 60 == 0) reshape(at);
    // Table files, a new log and compactions, at times while batches are being written.
    if (dice_() % 30 == 0) must(at.services().store().flush(), "flush");
    at.services().run_ready();
    while (at.runtimes().waiting() > 0 && dice_() % 4 != 0) at.runtimes().answer(dice_() % at.runtimes().waiting());
    if (dice_() % 4 != 0) at.services().run_ready();
    if (dice_() % 4 == 0) {
      at.services().scheduler().advance(std::chrono::seconds(1 + dice_() % 20));
      note("time", static_cast<std::uint64_t>(to_unix_s(at.services().scheduler().now())));
    }
  }

  // Until everything submitted by this load is durable.
  void wait(Deliveries& at) {
    last_ = std::max({last_, at.services().queues().last_commit(), at.functions().last_commit(),
                      at.topics().last_commit(), at.engine().last_commit()});
    while (at.services().committer().durable() < last_) std::this_thread::yield();
    at.services().run_ready();
  }
  void restarted() { last_ = 0; }  // commits are counted from one again

 private:
  static void create_function(Deliveries& at, const std::string& name) {
    functions::CreateRequest request{.name = function(name),
                                     .code = {.archive = millrace::testing::zip_of("index.js", "exports = " + name)}};
    request.settings.runtime = "nodejs20.x";
    request.settings.handler = "index.handler";
    request.settings.role = "arn:aws:iam::000000000000:role/r";
    at.functions().create(std::move(request),
                          [](Result<functions::Function> made) { (void)must(std::move(made), "function"); });
    at.services().run_ready();
  }

  // Each topic but one hands on to more than one subscriber.
  static void subscribe(Deliveries& at) {
    const auto add = [&](const char* name, const char* protocol, const std::string& endpoint) {
      must(at.topics().create_topic(topic(name), {}, {}), "topic");
      sns::Attributes attributes;
      if (std::string_view(protocol) == "sqs") attributes["RawMessageDelivery"] = "true";
      (void)must(at.topics().subscribe(topic(name), protocol, endpoint, attributes, kScope.account), "subscription");
    };
    add("news", "sqs", queue_arn(queue("news")));
    add("news", "lambda", function("listener").arn());
    add("news", "sqs", queue_arn(queue("news_too")));
    add("airing", "sqs", queue_arn(queue("aired")));
    add("airing", "sqs", queue_arn(queue("aired_too")));
    add("voices", "sqs", queue_arn(queue("voiced")));
  }

  static void map(Deliveries& at) {
    triggers::Mapping mapping;
    mapping.scope = kScope;
    const auto info = must(at.services().tables().info(kScope, kItems), "info");
    mapping.stream_arn = info->stream->arn;
    mapping.starting_position = "TRIM_HORIZON";
    mapping.function_arn = function("bisected").arn();
    mapping.batch_size = 10;
    mapping.parallelization_factor = 2;
    mapping.retries_max = 1;
    mapping.bisect = true;
    mapping.destination = queue_arn(queue("undelivered"));
    (void)must(at.engine().create(mapping), "mapping");
    mapping.function_arn = function("voiced").arn();
    mapping.parallelization_factor = 1;
    mapping.destination = sns::topic_arn(topic("voices"));
    (void)must(at.engine().create(mapping), "mapping");
    mapping.function_arn = function("whole").arn();
    mapping.batch_size = 4;
    mapping.retries_max = 0;
    mapping.bisect = false;
    mapping.destination = std::string("arn:aws:s3:::") + kBucket;
    (void)must(at.engine().create(mapping), "mapping");
    triggers::Mapping worker;
    worker.scope = kScope;
    worker.stream_arn = queue_arn(queue("work"));
    worker.function_arn = function("worker").arn();
    worker.batch_size = 3;
    (void)must(at.engine().create(worker), "mapping");
  }

  void change(Deliveries& at) {
    switch (dice_() % 5) {
      case 0:
        return send(at);
      case 1:
        return invoke(at);
      case 2:
        return publish(at);
      default:
        return write(at);
    }
  }

  void acknowledge(Deliveries& at, const std::string& what, std::uint64_t number, storage::CommitNumber after) {
    last_ = std::max(last_, after);
    at.services().committer().when_durable(after, [what, number](const Error* error) {
      if (error == nullptr) note("acknowledged " + what, number);
    });
  }

  void write(Deliveries& at) {
    const std::uint64_t number = next_record_++;
    note("submitted records", number);
    tables::WriteRequest request;
    request.item = item_of("r" + std::to_string(number), number, 0);
    acknowledge(at, "records", number,
                must(at.services().tables().write(kScope, kItems, request), "write").after_commit);
  }

  void send(Deliveries& at) {
    const std::uint64_t number = next_message_++;
    note("submitted worker", number);
    sqs::Outgoing message;
    message.body = std::to_string(number);
    (void)must(at.services().queues().send(queue("work"), std::move(message)), "send");
    acknowledge(at, "worker", number, at.services().queues().last_commit());
  }

  void invoke(Deliveries& at) {
    const std::uint64_t number = next_event_++;
    const std::string name = std::vector<std::string>{"told", "aired", "kept", "plain", "chained"}[dice_() % 5];
    note("submitted " + name, number);
    functions::InvokeRequest request{.target = {function(name), ""},
                                     .payload = R"({"event":)" + std::to_string(number) + "}"};
    (void)must(at.functions().invoke_async(std::move(request)), "event");
    acknowledge(at, name, number, at.functions().last_commit());
  }

  void publish(Deliveries& at) {
    const std::uint64_t number = next_news_++;
    note("submitted news", number);
    sns::Outgoing message;
    message.body = std::to_string(number);
    (void)must(at.topics().publish(topic("news"), message), "publish");
    acknowledge(at, "news", number, at.topics().last_commit());
  }

  void reshape(Deliveries& at) {
    const auto kind = dice_() % 2 == 0 ? streams::Reshape::Kind::kSplit : streams::Reshape::Kind::kRoll;
    const auto choose = [&](const streams::Stream& stream) { return streams::choose_reshape(stream, kind, ""); };
    const auto changed = at.services().tables().reshape(kScope, kItems, choose);
    if (changed.ok()) last_ = std::max(last_, *changed);  // not, when a shard cannot be halved any more
  }

  std::mt19937_64 dice_;
  std::uint64_t next_record_ = 0;
  std::uint64_t next_message_ = 0;
  std::uint64_t next_event_ = 0;
  std::uint64_t next_news_ = 0;
  storage::CommitNumber last_ = 0;
};

}  // namespace

std::vector<Operation> record_deliveries(const std::string& folder, std::uint64_t seed, std::uint64_t steps) {
  Load load(seed);
  start_recording(folder);
  auto at = must(Deliveries::open(folder, millrace::testing::kVirtualStart, ears()), "services");
  load.create(*at);
  for (std::uint64_t step = 0; step < steps; ++step) {
    load.step(*at);
    if (step % 100 != 99) continue;
    load.wait(*at);
    const Time now = at->services().scheduler().now();
    at.reset();
    at = must(Deliveries::open(folder, now, ears()), "services");
    load.restarted();
  }
  load.wait(*at);
  at.reset();
  return stop_recording();
}

}  // namespace millrace::powercut
