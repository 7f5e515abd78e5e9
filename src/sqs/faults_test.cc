// Whatever write or read of the store fails, in whatever operation: after a restart every acknowledged message is there
// once, what was acknowledged as deleted is gone, and the records fit together.
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sqs/check.h"
#include "sqs/service.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::sqs {
namespace {

using storage::MemoryStore;
using ::testing::IsEmpty;

class FaultLoopTest : public ::testing::Test {
 protected:
  FaultLoopTest() { restart(); }

  void restart() {
    service_.reset();
    scheduler_.run_ready();
    store_.heal();
    commits_ = std::make_unique<testing::TestCommits>(store_, scheduler_);
    service_ = std::make_unique<Service>(store_, *commits_, scheduler_, random_);
    ASSERT_TRUE(service_->load().ok());
    scheduler_.run_ready();
  }
  // Commits what waits; whether an answer that waits for it would say that all is well.
  bool acknowledged() {
    scheduler_.run_ready();
    bool good = false;
    commits_->when_durable(service_->last_commit(), [&](const Error* error) { good = error == nullptr; });
    return good;
  }
  static QueueName queue(const std::string& name) { return QueueName{Scope{}, name}; }
  static Outgoing message(const std::string& body) {
    Outgoing out;
    out.body = body;
    return out;
  }
  std::vector<Received> receive(const std::string& name, int max) {
    std::vector<Received> received;
    service_->receive(queue(name), {max, 30, 0, {}}, [&](auto result) {
      if (result.ok()) received = std::move(result).value();
    });
    scheduler_.run_ready();
    return received;
  }
  void send(const std::string& name, Outgoing out) {
    const std::string body = out.body;
    if (service_->send(queue(name), std::move(out)).ok() && acknowledged()) kept_.insert(body);
  }

  // One of everything that writes. Failures are expected; what was acknowledged is noted.
  void work() {
    kept_.clear();
    gone_.clear();
    (void)service_->create_queue(queue("dead"), {}, {});
    const std::string dead = "arn:aws:sqs:us-east-1:" + Scope{}.account + ":dead";
    (void)service_->create_queue(
        queue("q"), {{"RedrivePolicy", R"({"deadLetterTargetArn":")" + dead + R"(","maxReceiveCount":"1"})"}}, {});
    (void)service_->create_queue(queue("f.fifo"), {{"FifoQueue", "true"}, {"ContentBasedDeduplication", "true"}}, {});
    (void)service_->create_queue(queue("short"), {}, {});
    for (int i = 0; i < 3; ++i) send("q", message("m" + std::to_string(i)));
    Outgoing ordered = message("ordered");
    ordered.group_id = "g";
    send("f.fifo", ordered);
    if (service_->send(queue("f.fifo"), ordered).ok()) acknowledged();  // a duplicate
    if (const auto got = receive("q", 1); !got.empty()) {
      kept_.erase(got[0].message.body);
      if (service_->delete_message(queue("q"), got[0].receipt_handle).ok() && acknowledged())
        gone_.insert(got[0].message.body);
    }
    (void)receive("q", 1);
    scheduler_.advance(std::chrono::seconds(31));
    (void)receive("q", 10);  // the second time: to the dead letters
    scheduler_.run_ready();
    (void)service_->send(queue("short"), message("short lived"));
    if (service_->purge(queue("short")).ok() && acknowledged()) gone_.insert("short lived");
    (void)service_->delete_queue(queue("short"));
    scheduler_.run_ready();
  }

  std::multiset<std::string> bodies() {
    std::multiset<std::string> all;
    for (const char* name : {"q", "dead", "f.fifo", "short"}) {
      const auto peeked = service_->peek(queue(name), 100);
      if (!peeked.ok()) continue;
      for (const Peeked& each : *peeked) all.insert(each.message.body);
    }
    return all;
  }

  // Whether the armed failure struck.
  bool check(const std::string& what) {
    const bool struck = store_.has_failed();
    restart();
    const auto present = bodies();
    for (const std::string& body : kept_) EXPECT_EQ(present.count(body), 1U) << what << ": " << body;
    for (const std::string& body : gone_) EXPECT_EQ(present.count(body), 0U) << what << ": " << body;
    for (const std::string& body : present) EXPECT_EQ(present.count(body), 1U) << what << " twice: " << body;
    std::vector<std::string> problems;
    const auto checked = check_queues(store_, [&](std::string text) { problems.push_back(std::move(text)); });
    EXPECT_TRUE(checked.ok());
    EXPECT_THAT(problems, IsEmpty()) << what;
    EXPECT_EQ(checked->leftovers, 0U) << what;
    (void)service_->create_queue(queue("short"), {}, {});
    EXPECT_TRUE(service_->send(queue("short"), message("goes on")).ok());
    EXPECT_TRUE(acknowledged());
    EXPECT_EQ(bodies().count("goes on"), 1U) << what;
    service_->reset(Scope{}.account);
    EXPECT_TRUE(acknowledged());
    EXPECT_EQ(store_.count(storage::Family::kQueue), 0U) << what;
    return struck;
  }

  MemoryStore store_;
  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{11};
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<Service> service_;
  std::set<std::string> kept_;
  std::set<std::string> gone_;
};

TEST_F(FaultLoopTest, AFailedWriteLeavesNothingByHalf) {
  for (const auto outcome : {MemoryStore::Outcome::kNotApplied, MemoryStore::Outcome::kApplied}) {
    bool struck = true;
    std::uint64_t n = 0;
    for (; struck && n < 100; ++n) {
      store_.fail_write_after(n, outcome);
      work();
      struck = check("write " + std::to_string(n));
    }
    EXPECT_GT(n, 8U);
    EXPECT_LT(n, 100U) << "the loop ends with a round without failure";
  }
}

TEST_F(FaultLoopTest, AStartThatCannotReadIsNone) {
  work();
  bool failed = true;
  std::uint64_t n = 0;
  for (; failed && n < 100; ++n) {
    store_.fail_read_after(n);
    Service other(store_, *commits_, scheduler_, random_);
    failed = !other.load().ok();
    EXPECT_EQ(failed, store_.has_failed());
    store_.heal();
    scheduler_.run_ready();
  }
  EXPECT_GT(n, 3U);
}

TEST(QueueCheck, NamesWhatDoesNotFit) {
  MemoryStore store;
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, "sqs/queues/000000000000/us-east-1/q", R"({"v":1,"number":1})");
  batch.put(storage::Family::kCatalogue, "sqs/queues/000000000000/us-east-1/r", R"({"v":1,"number":1})");
  batch.put(storage::Family::kCatalogue, "sqs/queues/000000000000/us-east-1/s", "{");
  const std::string numbers("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\7", 16);
  batch.put(storage::Family::kQueue, "sqs/m/" + numbers, "damaged");
  batch.put(storage::Family::kQueue, "sqs/c/" + numbers.substr(0, 15) + "\x08", "damaged");
  batch.put(storage::Family::kQueue, "sqs/d/" + numbers, "damaged");
  ASSERT_TRUE(store.write(batch, storage::Store::Sync::kSynced).ok());
  std::vector<std::string> problems;
  ASSERT_TRUE(check_queues(store, [&](std::string text) { problems.push_back(std::move(text)); }).ok());
  EXPECT_THAT(problems, ::testing::ElementsAre(::testing::HasSubstr("have the same number"),
                                               "The record of queue 000000000000/us-east-1/s cannot be decoded",
                                               "Message 7 of queue number 1 cannot be decoded",
                                               "There is a receive count that cannot be decoded",
                                               "There is a deduplication record that cannot be decoded"));
}

}  // namespace
}  // namespace millrace::sqs
