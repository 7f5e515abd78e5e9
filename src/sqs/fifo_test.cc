#include "sqs/fifo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/digest.h"
#include "sqs/errors.h"
#include "sqs/service.h"
#include "sqs/target.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::sqs {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Fifo : public ::testing::Test {
 protected:
  Fifo() { restart(); }
  void restart() {
    service_.reset();
    commits_.reset();
    commits_ = std::make_unique<testing::TestCommits>(store_, scheduler_);
    service_ = std::make_unique<Service>(store_, *commits_, scheduler_, random_);
    ASSERT_TRUE(service_->load().ok());
  }
  Service& sqs() { return *service_; }
  QueueName create(const std::string& name, Attributes attributes = {}) {
    attributes["FifoQueue"] = "true";
    const QueueName queue{Scope{}, name};
    const auto result = sqs().create_queue(queue, attributes, {});
    EXPECT_TRUE(result.ok()) << result.error().message();
    return queue;
  }
  Result<Sent> try_send(const QueueName& queue, const std::string& group, const std::string& body,
                        std::optional<std::string> id = std::nullopt) {
    Outgoing message;
    message.body = body;
    message.group_id = group;
    message.deduplication_id = id ? id : std::optional(body);
    auto sent = sqs().send(queue, std::move(message));
    scheduler_.run_ready();
    return sent;
  }
  Sent send(const QueueName& queue, const std::string& group, const std::string& body,
            std::optional<std::string> id = std::nullopt) {
    auto sent = try_send(queue, group, body, std::move(id));
    EXPECT_TRUE(sent.ok()) << sent.error().message();
    return sent.ok() ? *sent : Sent{};
  }
  std::vector<Received> receive(const QueueName& queue, ReceiveRequest request = {.messages_max = 10}) {
    std::vector<Received> received;
    request.wait_seconds = 0;
    sqs().receive(queue, request, [&](Result<std::vector<Received>> result) {
      ASSERT_TRUE(result.ok()) << result.error().message();
      received = std::move(result).value();
    });
    scheduler_.run_ready();
    return received;
  }
  static std::vector<std::string> bodies(const std::vector<Received>& received) {
    std::vector<std::string> out;
    for (const auto& each : received) out.push_back(each.message.body);
    return out;
  }
  template <typename T>
  static std::string text_of(const Result<T>& result) {
    return result.ok() ? "no error" : std::string(result.error().type().name) + ": " + result.error().message();
  }

  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  storage::MemoryStore store_;
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<Service> service_;
};

TEST_F(Fifo, AGroupIsBlockedWhileOneOfItIsInFlight) {
  const auto q = create("q.fifo");
  send(q, "a", "a1");
  send(q, "b", "b1");
  send(q, "a", "a2");
  send(q, "a", "a3");
  const auto first = receive(q, {.messages_max = 2});
  EXPECT_THAT(bodies(first), ElementsAre("a1", "a2"));  // as many of one group as possible
  EXPECT_THAT(bodies(receive(q)), ElementsAre("b1"));
  ASSERT_TRUE(sqs().delete_message(q, first[0].receipt_handle).ok());
  EXPECT_THAT(receive(q), IsEmpty());  // a2 is in flight
  ASSERT_TRUE(sqs().delete_message(q, first[1].receipt_handle).ok());
  EXPECT_THAT(bodies(receive(q)), ElementsAre("a3"));
}

TEST_F(Fifo, AMessageThatComesBackComesFirst) {
  const auto q = create("q.fifo", {{"VisibilityTimeout", "10"}});
  for (const char* body : {"1", "2", "3"}) send(q, "g", body);
  EXPECT_THAT(bodies(receive(q, {.messages_max = 1})), ElementsAre("1"));
  scheduler_.advance(seconds(10));
  EXPECT_THAT(bodies(receive(q)), ElementsAre("1", "2", "3"));
}

TEST_F(Fifo, AVisibilityOfZeroGivesNothingTwiceInOneAnswer) {
  const auto q = create("q.fifo");
  for (const char* body : {"1", "2"}) send(q, "g", body);
  EXPECT_THAT(bodies(receive(q, {.messages_max = 10, .visibility_seconds = 0})), ElementsAre("1", "2"));
}

TEST_F(Fifo, NumbersRiseThoughTheClockIsSetBackWhenNothingIsLeft) {
  std::string last;
  for (int i = 0; i < 3; ++i) {
    const auto q = create("q.fifo");
    for (int n = 0; n < 100; ++n) {
      const Sent sent = send(q, "g", std::to_string(n));
      EXPECT_GT(sent.sequence_number, last);
      last = sent.sequence_number;
    }
    ASSERT_TRUE(sqs().delete_queue(q).ok());
    scheduler_.run_ready();
    scheduler_.set_machine_offset(-std::chrono::hours(24 * 365));
    restart();
  }
}

TEST_F(Fifo, TheSameMessageIsTakenOnceWithinFiveMinutes) {
  const auto q = create("q.fifo");
  const Sent first = send(q, "g", "body", "id");
  EXPECT_EQ(first.sequence_number.size(), 20u);
  const Sent again = send(q, "other", "another body", "id");
  EXPECT_EQ(again.message_id, first.message_id);
  EXPECT_EQ(again.sequence_number, first.sequence_number);
  EXPECT_EQ(again.body_md5, crypto::md5_hex("another body"));  // SDKs compare it with what they sent
  const auto received = receive(q);
  EXPECT_THAT(bodies(received), ElementsAre("body"));
  ASSERT_TRUE(sqs().delete_message(q, received[0].receipt_handle).ok());
  restart();
  scheduler_.advance(seconds(299));
  EXPECT_EQ(send(q, "g", "body", "id").message_id, first.message_id);  // deleted meanwhile, all the same
  scheduler_.advance(seconds(1));
  const Sent later = send(q, "g", "body", "id");
  EXPECT_NE(later.message_id, first.message_id);
  EXPECT_GT(later.sequence_number, first.sequence_number);
}

TEST_F(Fifo, DeduplicationMayBePerGroupAndByContent) {
  const auto q = create("q.fifo", {{"ContentBasedDeduplication", "true"},
                                   {"DeduplicationScope", "messageGroup"},
                                   {"FifoThroughputLimit", "perMessageGroupId"}});
  const auto plain = [&](const std::string& group) {
    Outgoing message;
    message.body = "same";
    message.group_id = group;
    return sqs().send(q, std::move(message))->message_id;
  };
  const auto first = plain("a");
  EXPECT_EQ(plain("a"), first);
  EXPECT_NE(plain("b"), first);
  const auto received = receive(q);
  ASSERT_EQ(received.size(), 2u);
  EXPECT_EQ(received[0].message.deduplication_id, crypto::sha256_hex("same"));
  EXPECT_EQ(received[0].message.group_id, "a");
}

TEST_F(Fifo, WhatAMessageMustHaveIsAskedForInAwsWords) {
  const auto q = create("q.fifo");
  EXPECT_EQ(text_of(sqs().send(q, {.body = "x"})),
            "MissingParameter: The request must contain the parameter MessageGroupId.");
  EXPECT_EQ(text_of(sqs().send(q, {.body = "x", .group_id = "g"})),
            "InvalidParameterValue: The queue should either have ContentBasedDeduplication enabled or "
            "MessageDeduplicationId provided explicitly");
  EXPECT_THAT(text_of(try_send(q, "a b", "x")), HasSubstr("Value a b for parameter MessageGroupId is invalid."));
  EXPECT_THAT(text_of(try_send(q, "g", "x", std::string(129, 'd'))), HasSubstr("MessageDeduplicationId is invalid"));
  EXPECT_EQ(text_of(sqs().send(q, {.body = "x", .delay_seconds = 1, .group_id = "g", .deduplication_id = "d"})),
            "InvalidParameterValue: Value 1 for parameter DelaySeconds is invalid. Reason: The request include "
            "parameter that is not valid for this queue type.");
  EXPECT_TRUE(sqs().send(q, {.body = "x", .delay_seconds = 0, .group_id = "g", .deduplication_id = "d"}).ok());
}

TEST_F(Fifo, NamesAndAttributesBelongToTheKindOfQueue) {
  const auto make = [&](const std::string& name, const Attributes& attributes) {
    return text_of(sqs().create_queue({Scope{}, name}, attributes, {}));
  };
  EXPECT_THAT(make("q", {{"FifoQueue", "true"}}), HasSubstr("must end with .fifo suffix"));
  EXPECT_THAT(make(".fifo", {{"FifoQueue", "true"}}), HasSubstr("must end with .fifo suffix"));
  EXPECT_THAT(make("q.fifo", {}), HasSubstr("Can only include alphanumeric characters"));
  EXPECT_EQ(make("q.fifo", {{"FifoQueue", "false"}}), "InvalidAttributeName: Unknown Attribute FifoQueue.");
  EXPECT_EQ(make("q", {{"ContentBasedDeduplication", "true"}}),
            "InvalidAttributeName: Unknown Attribute ContentBasedDeduplication.");
  EXPECT_THAT(make("q.fifo", {{"FifoQueue", "true"}, {"FifoThroughputLimit", "perMessageGroupId"}}),
              HasSubstr("InvalidAttributeValue"));
  const auto q = create("q.fifo");
  EXPECT_EQ(text_of(sqs().set_attributes(q, {{"FifoQueue", "false"}})),
            "InvalidAttributeValue: Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not "
            "supported.");
  EXPECT_THAT(text_of(sqs().set_attributes(q, {{"DeduplicationScope", "group"}})), HasSubstr("InvalidAttributeValue"));
  EXPECT_EQ((*sqs().get_attributes(q, {"All"}))["FifoThroughputLimit"], "perQueue");
}

TEST_F(Fifo, ADeadLetterQueueIsOfTheSameKindAndKeepsTheGroup) {
  const auto dead = create("dead.fifo");
  ASSERT_TRUE(sqs().create_queue({Scope{}, "dead"}, {}, {}).ok());
  const auto policy = [](const std::string& name) {
    return R"({"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:)" + name + R"(","maxReceiveCount":1})";
  };
  const auto q = create("q.fifo", {{"VisibilityTimeout", "1"}, {"RedrivePolicy", policy("dead.fifo")}});
  EXPECT_THAT(text_of(sqs().set_attributes(q, {{"RedrivePolicy", policy("dead")}})),
              HasSubstr("Reason: Dead-letter queue must be same type of queue as the source.."));
  send(q, "g", "poison");
  send(q, "g", "next");
  EXPECT_THAT(bodies(receive(q, {.messages_max = 1})), ElementsAre("poison"));
  scheduler_.advance(seconds(1));
  EXPECT_THAT(bodies(receive(q)), ElementsAre("next"));
  const auto moved = receive(dead);
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].message.group_id, "g");
  EXPECT_EQ(moved[0].message.dead_letter_source_arn, queue_arn(q));
}

TEST_F(Fifo, AnExpiredReceiptIsRefused) {
  const auto q = create("q.fifo", {{"VisibilityTimeout", "1"}});
  send(q, "g", "x");
  const auto received = receive(q);
  scheduler_.advance(seconds(1));
  EXPECT_THAT(text_of(sqs().delete_message(q, received[0].receipt_handle)),
              HasSubstr("Reason: The receipt handle has expired."));
}

TEST_F(Fifo, AnAttemptCanBeRepeated) {
  const auto q = create("q.fifo", {{"VisibilityTimeout", "30"}});
  for (const char* body : {"1", "2", "3"}) send(q, "g", body);
  const ReceiveRequest request{.messages_max = 2, .attempt_id = "attempt"};
  const auto first = receive(q, request);
  scheduler_.advance(seconds(20));
  const auto again = receive(q, request);
  EXPECT_THAT(bodies(again), ElementsAre("1", "2"));
  EXPECT_EQ(again[0].receipt_handle, first[0].receipt_handle);
  EXPECT_EQ(again[0].receive_count, 1u);
  scheduler_.advance(seconds(20));  // visibility began again
  EXPECT_THAT(receive(q), IsEmpty());
  for (const auto& each : again) ASSERT_TRUE(sqs().delete_message(q, each.receipt_handle).ok());
  EXPECT_THAT(bodies(receive(q, request)), ElementsAre("3"));
}

TEST_F(Fifo, TheQueuesDelayCountsForWaitingMessagesWhenItIsChanged) {
  const auto q = create("q.fifo", {{"DelaySeconds", "900"}});
  send(q, "g", "x");
  EXPECT_THAT(receive(q), IsEmpty());
  ASSERT_TRUE(sqs().set_attributes(q, {{"DelaySeconds", "10"}}).ok());
  scheduler_.run_ready();
  restart();
  scheduler_.advance(seconds(9));
  EXPECT_THAT(receive(q), IsEmpty());
  scheduler_.advance(seconds(1));
  EXPECT_THAT(bodies(receive(q)), ElementsAre("x"));
}

TEST_F(Fifo, OrderBlockedGroupsAndReceiptsSurviveARestart) {
  const auto q = create("q.fifo", {{"VisibilityTimeout", "60"}});
  for (const char* body : {"1", "2"}) send(q, "g", body);
  send(q, "h", "other");
  const auto held = receive(q, {.messages_max = 1});
  restart();
  EXPECT_THAT(bodies(receive(q)), ElementsAre("other"));
  ASSERT_TRUE(sqs().delete_message(q, held[0].receipt_handle).ok());
  EXPECT_THAT(bodies(receive(q)), ElementsAre("2"));
}

TEST_F(Fifo, DeletingWakesWhoWaitsForTheGroup) {
  const auto q = create("q.fifo");
  for (const char* body : {"1", "2"}) send(q, "g", body);
  const auto held = receive(q, {.messages_max = 1});
  std::vector<Received> got;
  sqs().receive(q, {.messages_max = 1, .wait_seconds = 20},
                [&](Result<std::vector<Received>> result) { got = std::move(result).value(); });
  EXPECT_THAT(got, IsEmpty());
  ASSERT_TRUE(sqs().delete_message(q, held[0].receipt_handle).ok());
  EXPECT_THAT(bodies(got), ElementsAre("2"));
}

TEST_F(Fifo, IsNoDestination) {
  const auto q = create("q.fifo");
  QueueTarget target(sqs());
  EXPECT_THAT(text_of(target.check(queue_arn(q))), HasSubstr("FIFO"));
}

// Whatever is received, returned, deleted and restarted: every group comes in order, and nothing overtakes what is in
// flight.
TEST_F(Fifo, RandomHistoriesKeepEveryGroupInOrder) {
  const auto q = create("q.fifo", {{"VisibilityTimeout", "5"}});
  std::map<std::string, int> sent, done;
  std::map<std::string, std::vector<Received>> held;
  for (int step = 0; step < 3000; ++step) {
    const std::string group(1, static_cast<char>('a' + random_.next() % 4));
    switch (random_.next() % 6) {
      case 0:
      case 1:
        send(q, group, group + std::to_string(sent[group]++));
        break;
      case 2:
        for (auto& each : receive(q, {.messages_max = 1 + static_cast<int>(random_.next() % 4)})) {
          auto& mine = held[each.message.group_id];
          ASSERT_EQ(each.message.body, each.message.group_id +
                                           std::to_string(done[each.message.group_id] + static_cast<int>(mine.size())));
          mine.push_back(std::move(each));
        }
        break;
      case 3:
        if (held[group].empty()) break;
        ASSERT_TRUE(sqs().delete_message(q, held[group].front().receipt_handle).ok());
        held[group].erase(held[group].begin());
        ++done[group];
        break;
      case 4:
        scheduler_.advance(seconds(5));  // all come back
        held.clear();
        break;
      default:
        if (random_.next() % 20 != 0) break;
        scheduler_.run_ready();
        restart();
    }
  }
  EXPECT_GT(done["a"] + done["b"] + done["c"] + done["d"], 100);
}

}  // namespace
}  // namespace millrace::sqs
