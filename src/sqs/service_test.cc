#include "sqs/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sqs/errors.h"
#include "sqs/limits.h"
#include "sqs/target.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::sqs {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SqsTest : public ::testing::Test {
 protected:
  SqsTest() { restart(); }

  void restart() {
    service_.reset();
    commits_.reset();
    store_.heal();
    commits_ = std::make_unique<testing::TestCommits>(store_, scheduler_);
    service_ = std::make_unique<Service>(store_, *commits_, scheduler_, random_);
    ASSERT_TRUE(service_->load().ok());
  }
  Service& sqs() { return *service_; }

  static QueueName queue(std::string name) { return QueueName{Scope{}, std::move(name)}; }
  QueueName create(const std::string& name, const Attributes& attributes = {}) {
    auto result = sqs().create_queue(queue(name), attributes, {});
    EXPECT_TRUE(result.ok()) << result.error().message();
    return queue(name);
  }
  std::string send(const QueueName& name, const std::string& body, std::optional<int> delay = std::nullopt) {
    Outgoing message;
    message.body = body;
    message.delay_seconds = delay;
    auto sent = sqs().send(name, std::move(message));
    EXPECT_TRUE(sent.ok()) << sent.error().message();
    scheduler_.run_ready();
    return sent->message_id;
  }
  std::vector<Received> receive(const QueueName& name, int max = 10, std::optional<int> visibility = std::nullopt) {
    std::vector<Received> received;
    bool called = false;
    sqs().receive(name, {max, visibility, 0}, [&](Result<std::vector<Received>> result) {
      called = true;
      ASSERT_TRUE(result.ok()) << result.error().message();
      received = std::move(result).value();
    });
    EXPECT_TRUE(called);
    scheduler_.run_ready();
    return received;
  }
  std::vector<std::string> bodies(const QueueName& name, int max = 10) {
    std::vector<std::string> bodies;
    for (const auto& received : receive(name, max)) bodies.push_back(received.message.body);
    return bodies;
  }
  std::string attribute(const QueueName& name, const std::string& attribute) {
    auto attributes = sqs().get_attributes(name, {attribute});
    EXPECT_TRUE(attributes.ok());
    return (*attributes)[attribute];
  }
  template <typename T>
  static std::string error_of(const Result<T>& result) {
    return result.ok() ? "no error" : std::string(result.error().type().name);
  }

  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  storage::MemoryStore store_;
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<Service> service_;
};

// Bodies are read by the pool, while the mutex is free.
TEST_F(SqsTest, GivesOutBodiesThatHaveLeftMemory) {
  sqs().set_cache_bytes_max(0);
  const QueueName name = create("q");
  for (const char* body : {"one", "two", "three"}) send(name, body);
  const auto reads = store_.reads();
  std::vector<std::string> bodies;
  bool called = false;
  sqs().receive(name, {10, std::nullopt, 0}, [&](Result<std::vector<Received>> result) {
    called = true;
    ASSERT_TRUE(result.ok()) << result.error().message();
    for (const Received& received : *result) bodies.push_back(received.message.body);
  });
  EXPECT_FALSE(called);
  EXPECT_EQ(store_.reads(), reads);
  EXPECT_GT(scheduler_.busy().count(), 0);
  scheduler_.run_ready();
  EXPECT_TRUE(called);
  EXPECT_THAT(bodies, ElementsAre("one", "two", "three"));
  EXPECT_EQ(scheduler_.busy().count(), 0);
}

TEST_F(SqsTest, SaysSoWhenABodyThatHasLeftMemoryCannotBeRead) {
  sqs().set_cache_bytes_max(0);
  const QueueName name = create("q");
  send(name, "one");
  store_.fail_read_after(0);
  std::string error;
  sqs().receive(name, {10, std::nullopt, 0},
                [&](Result<std::vector<Received>> result) { error = result.ok() ? "" : result.error().message(); });
  scheduler_.run_ready();
  EXPECT_EQ(error, "injected storage failure");
  EXPECT_EQ(sqs().take_batch(name, 10, 1000)->size(), 1U);
}

TEST_F(SqsTest, PeeksAndRedrivesWhatHasLeftMemory) {
  sqs().set_cache_bytes_max(0);
  const QueueName dead = create("dead");
  const QueueName name =
      create("q", {{"RedrivePolicy", R"({"deadLetterTargetArn":")" + queue_arn(dead) + R"(","maxReceiveCount":1})"}});
  send(name, "one");
  EXPECT_EQ(sqs().peek(name, 5)->front().message.body, "one");
  sqs().set_cache_bytes_max(1 << 20);
  restart();
  EXPECT_EQ(sqs().take_batch(name, 10, 1000)->size(), 1U);
}

TEST_F(SqsTest, AMessageIsReceivedOnceUntilItsVisibilityEnds) {
  const auto q = create("orders", {{"VisibilityTimeout", "20"}});
  send(q, "hello");
  EXPECT_THAT(bodies(q), ElementsAre("hello"));
  EXPECT_THAT(bodies(q), IsEmpty());
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessagesNotVisible"), "1");
  scheduler_.advance(milliseconds(19'999));
  EXPECT_THAT(bodies(q), IsEmpty());
  scheduler_.advance(milliseconds(1));
  const auto again = receive(q);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].receive_count, 2u);
}

TEST_F(SqsTest, ADeletedMessageDoesNotComeBack) {
  const auto q = create("orders");
  send(q, "a");
  const auto received = receive(q);
  ASSERT_TRUE(sqs().delete_message(q, received[0].receipt_handle).ok());
  ASSERT_TRUE(sqs().delete_message(q, received[0].receipt_handle).ok()) << "deleting twice succeeds";
  scheduler_.advance(hours(1));
  EXPECT_THAT(bodies(q), IsEmpty());
  restart();
  EXPECT_THAT(bodies(q), IsEmpty());
  EXPECT_EQ(store_.count(storage::Family::kQueue), 0u);
}

TEST_F(SqsTest, AStaleReceiptDoesNotDeleteWhatSomebodyElseHolds) {
  const auto q = create("orders");
  send(q, "a");
  const auto first = receive(q, 10, 5);
  scheduler_.advance(seconds(5));
  const auto second = receive(q, 10, 5);
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_TRUE(sqs().delete_message(q, first[0].receipt_handle).ok());
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessagesNotVisible"), "1");
  EXPECT_TRUE(sqs().delete_message(q, second[0].receipt_handle).ok());
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessagesNotVisible"), "0");
}

TEST_F(SqsTest, ReceiptsOfOtherQueuesAndNonsenseAreRefused) {
  const auto a = create("a");
  const auto b = create("b");
  send(a, "x");
  const auto received = receive(a);
  EXPECT_EQ(error_of(sqs().delete_message(b, received[0].receipt_handle)), "ReceiptHandleIsInvalid");
  EXPECT_EQ(error_of(sqs().delete_message(a, "nonsense")), "ReceiptHandleIsInvalid");
  EXPECT_EQ(error_of(sqs().change_visibility(a, "", 1)), "ReceiptHandleIsInvalid");
}

TEST_F(SqsTest, DelaysHideAMessage) {
  const auto q = create("orders", {{"DelaySeconds", "10"}});
  send(q, "default");
  send(q, "now", 0);
  send(q, "later", 900);
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessagesDelayed"), "2");
  EXPECT_THAT(bodies(q), ElementsAre("now"));
  scheduler_.advance(seconds(10));
  EXPECT_THAT(bodies(q, 1), ElementsAre("default"));
  restart();
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessagesDelayed"), "1") << "the delay survives a restart";
  scheduler_.advance(minutes(15));
  EXPECT_THAT(bodies(q), ElementsAre("default", "now", "later"));
}

TEST_F(SqsTest, MessagesExpireWithTheRetentionByTheMovableClock) {
  const auto q = create("orders", {{"MessageRetentionPeriod", "60"}});
  send(q, "a");
  scheduler_.advance(seconds(30));
  send(q, "b");
  scheduler_.advance(seconds(30));
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessages"), "1");
  EXPECT_EQ(store_.count(storage::Family::kQueue), 1u) << "expired without being asked for";
  EXPECT_THAT(bodies(q), ElementsAre("b"));
  scheduler_.advance(seconds(30));
  EXPECT_EQ(store_.count(storage::Family::kQueue), 0u) << "in flight or not";
}

TEST_F(SqsTest, ALongPollIsAnsweredBySend) {
  const auto q = create("orders");
  std::vector<std::string> got;
  sqs().receive(q, {1, std::nullopt, 20}, [&](auto result) { got.push_back(result.value().at(0).message.body); });
  sqs().receive(q, {1, std::nullopt, 20}, [&](auto result) { got.push_back(result.value().at(0).message.body); });
  scheduler_.advance(seconds(1));
  EXPECT_THAT(got, IsEmpty());
  send(q, "one");
  EXPECT_THAT(got, ElementsAre("one"));
  send(q, "two");
  EXPECT_THAT(got, ElementsAre("one", "two"));
}

TEST_F(SqsTest, ALongPollIsAnsweredWhenADelayOrAVisibilityEnds) {
  const auto q = create("orders");
  send(q, "delayed", 5);
  std::vector<Time> at;
  sqs().receive(q, {1, 10, 20}, [&](auto result) {
    EXPECT_THAT(result.value(), SizeIs(1));
    at.push_back(scheduler_.now());
  });
  scheduler_.advance(seconds(6));
  ASSERT_THAT(at, ElementsAre(testing::kVirtualStart + seconds(5)));
  sqs().receive(q, {1, 10, 20}, [&](auto result) {
    EXPECT_THAT(result.value(), SizeIs(1));
    at.push_back(scheduler_.now());
  });
  scheduler_.advance(seconds(20));
  ASSERT_THAT(at, SizeIs(2));
  EXPECT_EQ(at[1], testing::kVirtualStart + seconds(15));
}

TEST_F(SqsTest, ALongPollEndsEmptyAfterItsWait) {
  const auto q = create("orders", {{"ReceiveMessageWaitTimeSeconds", "5"}});
  int answers = 0;
  sqs().receive(q, {}, [&](auto result) {
    ++answers;
    EXPECT_THAT(result.value(), IsEmpty());
  });
  scheduler_.advance(milliseconds(4'999));
  EXPECT_EQ(answers, 0);
  scheduler_.advance(milliseconds(1));
  EXPECT_EQ(answers, 1);
}

TEST_F(SqsTest, ACancelledPollTakesNothing) {
  const auto q = create("orders");
  const auto wait = sqs().receive(q, {1, std::nullopt, 20}, [](auto) { FAIL(); });
  sqs().cancel(q, wait);
  send(q, "a");
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessages"), "1");
  scheduler_.advance(minutes(1));
}

TEST_F(SqsTest, DeletingAQueueAnswersItsPollersAndRemovesItsMessages) {
  const auto q = create("orders");
  send(q, "a", 100);
  std::string error;
  sqs().receive(q, {1, std::nullopt, 20}, [&](auto result) { error = error_of(result); });
  ASSERT_TRUE(sqs().delete_queue(q).ok());
  EXPECT_EQ(error, "QueueDoesNotExist");
  scheduler_.run_ready();
  EXPECT_EQ(store_.count(storage::Family::kQueue), 0u);
  EXPECT_EQ(store_.count(storage::Family::kCatalogue), 2u) << "the numbers given out and the head of the log";
  EXPECT_EQ(error_of(sqs().check_exists(q)), "QueueDoesNotExist");
  create("orders");
  EXPECT_THAT(bodies(q), IsEmpty());
}

TEST_F(SqsTest, AMessageReceivedTooOftenMovesToTheDeadLetterQueue) {
  const auto dead = create("dead");
  const auto q = create(
      "orders", {{"RedrivePolicy", R"({"deadLetterTargetArn":")" + queue_arn(dead) + R"(","maxReceiveCount":2})"}});
  const auto id = send(q, "poison");
  EXPECT_THAT(receive(q, 1, 1), SizeIs(1));
  scheduler_.advance(seconds(1));
  restart();  // counts survive
  EXPECT_THAT(receive(q, 1, 1), SizeIs(1));
  scheduler_.advance(seconds(1));
  bool polled = false;
  sqs().receive(dead, {1, std::nullopt, 20}, [&](auto result) {
    polled = true;
    const auto& received = result.value().at(0);
    EXPECT_EQ(received.message.id, id);
    EXPECT_EQ(received.message.body, "poison");
    EXPECT_EQ(received.message.dead_letter_source_arn, queue_arn(q));
    EXPECT_EQ(received.receive_count, 1u);
  });
  EXPECT_THAT(receive(q, 1, 1), IsEmpty());
  EXPECT_TRUE(polled);
  restart();
  EXPECT_THAT(bodies(q), IsEmpty());
  EXPECT_THAT(bodies(dead), ElementsAre("poison"));
  auto sources = sqs().dead_letter_sources(dead, std::nullopt, "");
  ASSERT_TRUE(sources.ok());
  EXPECT_THAT(sources->queues, ElementsAre(q));
}

TEST_F(SqsTest, QueuesThatAreEachOthersDeadLetterQueueDoNotLoop) {
  const auto a = create("a");
  const auto b =
      create("b", {{"RedrivePolicy", R"({"deadLetterTargetArn":")" + queue_arn(a) + R"(","maxReceiveCount":1})"}});
  ASSERT_TRUE(sqs()
                  .set_attributes(a, {{"RedrivePolicy",
                                       R"({"deadLetterTargetArn":")" + queue_arn(b) + R"(","maxReceiveCount":1})"}})
                  .ok());
  send(a, "x");
  receive(a, 1, 0);
  EXPECT_THAT(bodies(a), IsEmpty());
  EXPECT_THAT(bodies(b), ElementsAre("x"));
}

TEST_F(SqsTest, RedrivePoliciesAreValidated) {
  const auto q = create("orders");
  const auto set = [&](const std::string& policy) {
    return error_of(sqs().set_attributes(q, {{"RedrivePolicy", policy}}));
  };
  EXPECT_EQ(set("{"), "InvalidParameterValue");
  EXPECT_EQ(set(R"({"maxReceiveCount":1})"), "InvalidParameterValue");
  EXPECT_EQ(set(R"({"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":1})"),
            "InvalidParameterValue");
  const auto closed = create("closed", {{"RedriveAllowPolicy", R"({"redrivePermission":"denyAll"})"}});
  EXPECT_EQ(set(R"({"deadLetterTargetArn":")" + queue_arn(closed) + R"(","maxReceiveCount":1})"),
            "InvalidParameterValue");
  const auto open = create("open", {{"RedriveAllowPolicy", R"({"redrivePermission":"byQueue","sourceQueueArns":[")" +
                                                               queue_arn(q) + "\"]}"}});
  const std::string good = R"({"deadLetterTargetArn":")" + queue_arn(open) + R"(","maxReceiveCount":"3"})";
  EXPECT_EQ(set(R"({"deadLetterTargetArn":")" + queue_arn(open) + R"(","maxReceiveCount":1001})"),
            "InvalidParameterValue");
  EXPECT_EQ(set(good), "no error");
  EXPECT_EQ(attribute(q, "RedrivePolicy"), good);
  EXPECT_EQ(set(""), "no error");
  EXPECT_EQ(attribute(q, "RedrivePolicy"), "");
}

TEST_F(SqsTest, CreatingAgainSucceedsOnlyWithTheSameAttributes) {
  create("orders", {{"VisibilityTimeout", "60"}});
  EXPECT_EQ(error_of(sqs().create_queue(queue("orders"), {}, {})), "no error");
  EXPECT_EQ(error_of(sqs().create_queue(queue("orders"), {{"VisibilityTimeout", "60"}}, {})), "no error");
  auto other = sqs().create_queue(queue("orders"), {{"VisibilityTimeout", "61"}}, {});
  ASSERT_EQ(error_of(other), "QueueNameExists");
  EXPECT_THAT(other.error().message(), HasSubstr("VisibilityTimeout"));
}

TEST_F(SqsTest, AttributesAreValidatedAllOrNothing) {
  const auto q = create("orders");
  const auto set = [&](const Attributes& attributes) { return error_of(sqs().set_attributes(q, attributes)); };
  EXPECT_EQ(set({{"DelaySeconds", "5"}, {"VisibilityTimeout", "43201"}}), "InvalidAttributeValue");
  EXPECT_EQ(attribute(q, "DelaySeconds"), "0");
  EXPECT_EQ(set({{"VisibilityTimeout", ""}}), "InvalidAttributeValue");
  EXPECT_EQ(set({{"VisibilityTimeout", "1x"}}), "InvalidAttributeValue");
  EXPECT_EQ(set({{"MessageRetentionPeriod", "59"}}), "InvalidAttributeValue");
  EXPECT_EQ(set({{"MaximumMessageSize", "1023"}}), "InvalidAttributeValue");
  EXPECT_EQ(set({{"QueueArn", "x"}}), "InvalidAttributeName");
  EXPECT_EQ(set({{"KmsMasterKeyId", "alias/aws/sqs"}}), "UnsupportedOperation");
  EXPECT_EQ(error_of(sqs().create_queue(queue("x.fifo"), {}, {})), "InvalidParameterValue");
  EXPECT_EQ(error_of(sqs().create_queue(queue("a b"), {}, {})), "InvalidParameterValue");
  EXPECT_EQ(error_of(sqs().create_queue(queue(""), {}, {})), "InvalidParameterValue");
  EXPECT_EQ(error_of(sqs().get_attributes(q, {"Nonsense"})), "InvalidAttributeName");
}

TEST_F(SqsTest, QueuesAndTagsSurviveARestart) {
  const auto q = create("orders", {{"VisibilityTimeout", "77"}, {"SqsManagedSseEnabled", "false"}});
  ASSERT_TRUE(sqs().tag(q, {{"team", "a"}, {"stage", "test"}}).ok());
  ASSERT_TRUE(sqs().untag(q, {"stage"}).ok());
  send(q, "kept");
  const auto before = sqs().get_attributes(q, {"All"});
  restart();
  EXPECT_EQ(*sqs().get_attributes(q, {"All"}), *before);
  EXPECT_EQ(*sqs().tags(q), (Tags{{"team", "a"}}));
  EXPECT_THAT(bodies(q), ElementsAre("kept"));
}

TEST_F(SqsTest, QueuesAreListedByPrefixPageByPageAndPerScope) {
  for (const char* name : {"b2", "a", "b1", "b3"}) create(name);
  ASSERT_TRUE(sqs().create_queue({Scope{"111111111111", "us-east-1"}, "b9"}, {}, {}).ok());
  auto page = sqs().list_queues(Scope{}, "b", 2, "");
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(page->queues, ElementsAre(queue("b1"), queue("b2")));
  page = sqs().list_queues(Scope{}, "b", 2, page->next_token);
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(page->queues, ElementsAre(queue("b3")));
  EXPECT_EQ(page->next_token, "");
  EXPECT_EQ(error_of(sqs().list_queues(Scope{}, "", 0, "")), "InvalidParameterValue");
  sqs().reset("000000000000");
  EXPECT_THAT(sqs().all_queues(), SizeIs(1));
}

TEST_F(SqsTest, MessagesAreRefusedByTheirSizeAndContent) {
  const auto q = create("orders", {{"MaximumMessageSize", "1024"}});
  const auto try_send = [&](std::string body, std::vector<MessageAttribute> attributes = {}) {
    Outgoing message;
    message.body = std::move(body);
    message.attributes = std::move(attributes);
    return error_of(sqs().send(q, std::move(message)));
  };
  EXPECT_EQ(try_send(std::string(1024, 'x')), "no error");
  EXPECT_EQ(try_send(std::string(1025, 'x')), "InvalidParameterValue");
  EXPECT_EQ(try_send(std::string(1015, 'x'), {{"ab", "String", "cd"}}), "InvalidParameterValue");
  EXPECT_EQ(try_send(""), "MissingParameter");
  EXPECT_EQ(try_send(std::string("a\0b", 3)), "InvalidMessageContents");
  EXPECT_EQ(try_send("\xff"), "InvalidMessageContents");
  EXPECT_EQ(try_send("\xed\xa0\x80"), "InvalidMessageContents");  // a lone surrogate
  EXPECT_EQ(try_send("h\xc3\xa4\xf0\x9f\x98\x80\t"), "no error");
  EXPECT_EQ(try_send("x", {{"AWS.x", "String", "v"}}), "InvalidParameterValue");
  EXPECT_EQ(try_send("x", {{"n", "Number", "abc"}}), "InvalidParameterValue");
  EXPECT_EQ(try_send("x", {{"n", "Number.int", "-1.5e3"}}), "no error");
  EXPECT_EQ(try_send("x", {{"n", "Text", "abc"}}), "InvalidParameterValue");
  EXPECT_EQ(try_send("x", {{"n", "String", ""}}), "InvalidParameterValue");
  EXPECT_EQ(try_send("x", std::vector<MessageAttribute>(11, {"n", "String", "v"})), "InvalidParameterValue");
}

TEST_F(SqsTest, BatchesFailEntryByEntryOrAsAWhole) {
  const auto q = create("orders", {{"MaximumMessageSize", "1024"}});
  const auto entry = [](std::string id, std::string body) {
    SendEntry e;
    e.id = std::move(id);
    e.message.body = std::move(body);
    return e;
  };
  auto results = sqs().send_batch(q, {entry("a", "one"), entry("b", std::string(2000, 'x')), entry("c", "three")});
  ASSERT_TRUE(results.ok());
  EXPECT_TRUE((*results)[0].result.ok());
  EXPECT_EQ(error_of((*results)[1].result), "InvalidParameterValue");
  EXPECT_TRUE((*results)[2].result.ok());
  const auto received = receive(q);
  ASSERT_THAT(received, SizeIs(2));

  EXPECT_EQ(error_of(sqs().send_batch(q, {})), "EmptyBatchRequest");
  EXPECT_EQ(error_of(sqs().send_batch(q, {entry("a", "x"), entry("a", "y")})), "BatchEntryIdsNotDistinct");
  EXPECT_EQ(error_of(sqs().send_batch(q, {entry("a b", "x")})), "InvalidBatchEntryId");
  EXPECT_EQ(error_of(sqs().send_batch(q, std::vector<SendEntry>(11, entry("a", "x")))), "TooManyEntriesInBatchRequest");
  EXPECT_EQ(
      error_of(sqs().send_batch(q, {entry("a", std::string(600'000, 'x')), entry("b", std::string(600'000, 'x'))})),
      "BatchRequestTooLong");

  auto changed = sqs().change_visibility_batch(
      q, {{"a", received[0].receipt_handle, 0}, {"b", "nonsense", 1}, {"c", received[1].receipt_handle, 43'201}});
  ASSERT_TRUE(changed.ok());
  EXPECT_TRUE((*changed)[0].result.ok());
  EXPECT_EQ(error_of((*changed)[1].result), "ReceiptHandleIsInvalid");
  EXPECT_EQ(error_of((*changed)[2].result), "InvalidParameterValue");
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessages"), "1");

  auto deleted = sqs().delete_batch(q, {{"a", received[0].receipt_handle, {}}, {"b", "nonsense", {}}});
  ASSERT_TRUE(deleted.ok());
  EXPECT_TRUE((*deleted)[0].result.ok());
  EXPECT_FALSE((*deleted)[1].result.ok());
}

TEST_F(SqsTest, VisibilityCanBeExtendedUpToTwelveHours) {
  const auto q = create("orders");
  send(q, "a");
  const auto received = receive(q, 1, 10);
  scheduler_.advance(seconds(9));
  ASSERT_TRUE(sqs().change_visibility(q, received[0].receipt_handle, 3600).ok());
  scheduler_.advance(seconds(3599));
  EXPECT_THAT(bodies(q), IsEmpty());
  EXPECT_EQ(error_of(sqs().change_visibility(q, received[0].receipt_handle, 43'200)), "InvalidParameterValue");
  scheduler_.advance(seconds(1));
  EXPECT_EQ(error_of(sqs().change_visibility(q, received[0].receipt_handle, 1)), "InvalidParameterValue")
      << "no longer in flight";
  EXPECT_THAT(bodies(q), ElementsAre("a"));
}

TEST_F(SqsTest, ReceiveRequestsAreValidated) {
  const auto q = create("orders");
  std::string error;
  const auto note = [&](auto result) { error = error_of(result); };
  sqs().receive(q, {0, {}, {}}, note);
  EXPECT_EQ(error, "InvalidParameterValue");
  sqs().receive(q, {11, {}, {}}, note);
  EXPECT_EQ(error, "InvalidParameterValue");
  sqs().receive(q, {1, {}, 21}, note);
  EXPECT_EQ(error, "InvalidParameterValue");
  sqs().receive(q, {1, -1, 0}, note);
  EXPECT_EQ(error, "InvalidParameterValue");
  sqs().receive(queue("none"), {}, note);
  EXPECT_EQ(error, "QueueDoesNotExist");
}

TEST_F(SqsTest, PurgeEmptiesTheQueue) {
  const auto q = create("orders");
  for (int i = 0; i < 5; ++i) send(q, "x");
  receive(q, 2);
  ASSERT_TRUE(sqs().purge(q).ok());
  EXPECT_THAT(bodies(q), IsEmpty());
  send(q, "after");
  restart();
  EXPECT_THAT(bodies(q), ElementsAre("after"));
}

TEST_F(SqsTest, PeekShowsEverythingAndChangesNothing) {
  const auto q = create("orders");
  send(q, "ready");
  send(q, "delayed", 10);
  send(q, "held");
  receive(q, 1);
  auto peeked = sqs().peek(q, 2);
  ASSERT_TRUE(peeked.ok());
  ASSERT_THAT(*peeked, SizeIs(2));
  EXPECT_EQ((*peeked)[0].state, "in flight");
  EXPECT_EQ((*peeked)[1].state, "delayed");
  EXPECT_EQ((*peeked)[1].message.body, "delayed");
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessages"), "1");
}

TEST_F(SqsTest, AStagedMessageAppearsAfterItsCommitAndSurvivesARestart) {
  const auto q = create("failures");
  QueueTarget target(sqs());
  storage::WriteBatch batch;
  auto after = target.stage(queue_arn(q), {.body = "failed", .attributes = {{"code", "Number", "500"}}}, batch);
  ASSERT_TRUE(after.ok());
  EXPECT_THAT(bodies(q), IsEmpty());
  std::vector<Received> polled;
  sqs().receive(q, {1, 0, 20}, [&](auto result) { polled = result.value(); });
  commits_->submit(std::move(batch));
  scheduler_.run_ready();
  (*after)();
  scheduler_.run_ready();
  ASSERT_THAT(polled, SizeIs(1));
  EXPECT_EQ(polled[0].message.body, "failed");
  EXPECT_THAT(polled[0].message.attributes, ElementsAre(MessageAttribute{"code", "Number", "500"}));
  restart();
  EXPECT_THAT(bodies(q), ElementsAre("failed"));
}

TEST_F(SqsTest, AStagedMessageWhoseQueueGoesLeavesNothingBehind) {
  const auto q = create("failures");
  QueueTarget target(sqs());
  storage::WriteBatch batch;
  auto after = target.stage(queue_arn(q), {.body = "failed"}, batch);
  ASSERT_TRUE(after.ok());
  ASSERT_TRUE(sqs().delete_queue(q).ok());
  commits_->submit(std::move(batch));
  scheduler_.run_ready();
  (*after)();
  scheduler_.run_ready();
  restart();
  scheduler_.run_ready();
  EXPECT_EQ(store_.count(storage::Family::kQueue), 0u);
}

TEST_F(SqsTest, ATargetRefusesWhatCannotBeDelivered) {
  const auto q = create("failures", {{"MaximumMessageSize", "2048"}});
  QueueTarget target(sqs());
  storage::WriteBatch batch;
  EXPECT_TRUE(target.check(queue_arn(q)).ok());
  EXPECT_TRUE(target.check(queue_arn(queue("none"))).error().is(delivery::kNoSuchTarget));
  EXPECT_TRUE(target.check("arn:aws:sns:us-east-1:000000000000:x").error().is(delivery::kUnsupportedTarget));
  EXPECT_EQ(error_of(target.stage(queue_arn(q), {.body = std::string(2049, 'x')}, batch)), "InvalidParameterValue");
  EXPECT_TRUE(batch.empty());
}

TEST_F(SqsTest, AfterAFailedCommitNothingUnsyncedSurvivesARestart) {
  const auto q = create("orders");
  send(q, "kept");
  store_.fail_write_after(0);
  Outgoing message;
  message.body = "lost";
  ASSERT_TRUE(sqs().send(q, std::move(message)).ok()) << "its answer waits for last_commit(), which fails";
  bool failed = false;
  commits_->when_durable(sqs().last_commit(), [&](const Error* error) { failed = error != nullptr; });
  scheduler_.run_ready();
  EXPECT_TRUE(failed);
  restart();
  EXPECT_THAT(bodies(q), ElementsAre("kept"));
}

TEST_F(SqsTest, AfterAFailedCommitReadsShowWhatIsStoredAlsoWhenMessagesExpire) {
  const auto q = create("orders", {{"MessageRetentionPeriod", "60"}, {"VisibilityTimeout", "30"}});
  send(q, "kept");
  send(q, "held");
  ASSERT_THAT(receive(q, 1), SizeIs(1));
  bool polled = false;
  const auto other = create("other");
  sqs().receive(other, {1, {}, 20}, [&](const Result<std::vector<Received>>& result) {
    polled = true;
    EXPECT_TRUE(result.error().is(storage::kStorageFailed));
  });
  scheduler_.run_ready();
  store_.fail_write_after(0);
  Outgoing message;
  message.body = "lost";
  ASSERT_TRUE(sqs().send(q, std::move(message)).ok());
  ASSERT_TRUE(sqs().create_queue(queue("lost"), {}, {}).ok());
  scheduler_.run_ready();
  EXPECT_TRUE(polled);
  const auto expect_readable = [&] {
    EXPECT_TRUE(commits_->is_settled(sqs().last_commit(), commits_->settlements()));
    EXPECT_FALSE(sqs().check_exists(queue("lost")).ok());
  };
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessages"), "1");
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessagesNotVisible"), "1") << "who holds what stays known";
  expect_readable();
  scheduler_.advance(std::chrono::hours(1));
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessages"), "2") << "that they expired could not be kept";
  sqs().delete_received(q, {"whatever"});
  sqs().receive(q, {1, {}, 0}, [](const Result<std::vector<Received>>& result) {
    EXPECT_TRUE(result.error().is(storage::kStorageFailed));
  });
  expect_readable();
}

TEST_F(SqsTest, WhatCouldNotBeRemovedFromAFullDiskIsRemovedWhenThereIsRoom) {
  const auto q = create("orders", {{"MessageRetentionPeriod", "60"}});
  send(q, "a");
  send(q, "b");
  const auto held = receive(q, 1);
  store_.set_room(storage::Room::Level::kNone);
  const auto before = sqs().last_commit();
  sqs().delete_received(q, {held.at(0).receipt_handle});
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessagesNotVisible"), "1");
  store_.set_room(storage::Room::Level::kPlenty);
  commits_->tell_accepting();
  scheduler_.run_ready();
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessagesNotVisible"), "0");
  EXPECT_GT(sqs().last_commit(), before);
  store_.set_room(storage::Room::Level::kNone);
  scheduler_.advance(std::chrono::hours(1));
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessages"), "1");
  store_.set_room(storage::Room::Level::kPlenty);
  commits_->tell_accepting();
  scheduler_.run_ready();
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessages"), "0");
}

TEST_F(SqsTest, AHundredThousandMessagesAreHandledInOrder) {
  const auto q = create("orders");
  for (int i = 0; i < 10'000; ++i) {
    std::vector<SendEntry> entries;
    for (int j = 0; j < 10; ++j) {
      SendEntry entry;
      entry.id = std::to_string(j);
      entry.message.body = std::to_string(i * 10 + j);
      entries.push_back(std::move(entry));
    }
    ASSERT_TRUE(sqs().send_batch(q, std::move(entries)).ok());
  }
  scheduler_.run_ready();
  EXPECT_EQ(attribute(q, "ApproximateNumberOfMessages"), "100000");
  for (int next = 0; next < 1000;) {
    for (const auto& received : receive(q)) {
      ASSERT_EQ(received.message.body, std::to_string(next++));
      ASSERT_TRUE(sqs().delete_message(q, received.receipt_handle).ok());
    }
  }
  scheduler_.run_ready();
  restart();
  EXPECT_THAT(bodies(q, 1), ElementsAre("1000"));
}

TEST(SqsMessageTest, DigestsOfAttributesAreThoseThatClientsVerify) {
  // Computed with Python: md5 over (name, type, kind, value), each with its length, sorted by name.
  EXPECT_EQ(attributes_md5({{"b", "Binary", std::string("\0\xff", 2)}, {"a", "String", "x"}}),
            "c4ec7d55335539420ccc7ec70efeb4a1");
  EXPECT_EQ(attributes_md5({}), "");
  EXPECT_EQ(attributes_md5({{"b", "Number", "1"}, {"a", "String", "x"}}),
            attributes_md5({{"a", "String", "x"}, {"b", "Number", "1"}}));
  EXPECT_NE(attributes_md5({{"a", "String", "x"}}), attributes_md5({{"a", "Binary", "x"}}));
}

TEST(SqsMessageTest, AttributesAreSelectedByNameAndPrefix) {
  const std::vector<MessageAttribute> all{{"a.x", "String", "1"}, {"a.y", "String", "2"}, {"b", "String", "3"}};
  EXPECT_THAT(select_attributes(all, {}), IsEmpty());
  EXPECT_THAT(select_attributes(all, {"All"}), SizeIs(3));
  EXPECT_THAT(select_attributes(all, {".*"}), SizeIs(3));
  EXPECT_THAT(select_attributes(all, {"a.*"}), SizeIs(2));
  EXPECT_THAT(select_attributes(all, {"b", "nothing"}), SizeIs(1));
}

}  // namespace
}  // namespace millrace::sqs
